"""When does silence mean something?  The chance that loss alone explains it (pure).

The loss of the path is not known, only sampled: ``lost`` of ``sent`` round trips
in this run.  With a Jeffreys prior the chance that ``attempts`` further round trips
are all lost is the mean of p**attempts under Beta(lost + 1/2, sent - lost + 1/2),
which no sample, however kind, makes zero.
"""

from __future__ import annotations

import math

CHANCE_MAX = 3e-6
"""The largest chance at which a port is called blocked.  A check tests about forty
ports, so the chance that loss alone makes any of them look blocked is about 0.01 %, and
stays below 0.1 % where the loss was somewhat underestimated."""

ATTEMPTS_MIN = 6
"""Never fewer: the samples speak of the path as a whole, not of bursts on one port."""

ATTEMPTS_MAX = 16
"""Beyond this the path is too lossy to say anything, and the verdict is ``unknown``."""

REFUSALS_ENOUGH = 2
"""And where it is not silent: one reset may be a passing overload; two, a round trip apart, are
an answer."""


_FACTORS_MAX = 4096
"""More attempts are what a server or a report claims, and mean no more."""


def chance_of_silence(attempts: int, sent: int, lost: int) -> float:
    """The chance that ``attempts`` round trips in a row are lost on a path that lost
    ``lost`` of ``sent``."""
    if attempts <= 0:
        return 1.0
    a, b = max(0, lost) + 0.5, max(0, sent - lost) + 0.5
    return math.prod((a + i) / (a + b + i) for i in range(min(attempts, _FACTORS_MAX)))


OWN_SAMPLE_MIN = 12
"""From so many samples of its own on, a transport's loss counts by itself too: UDP can be
dropped where TCP is not."""


def chance(attempts: int, path: tuple[int, int], own: tuple[int, int]) -> float:
    """The chance that ``attempts`` silences are loss, from what the ``path`` as a whole and
    what the transport's ``own`` round trips lost, each as (sent, lost)."""
    of_path = chance_of_silence(attempts, *path)
    return max(of_path, chance_of_silence(attempts, *own)) if own[0] >= OWN_SAMPLE_MIN else of_path


def chance_beside(
    attempts: int, path: tuple[int, int], controls: tuple[int, int], *, pieces: int = 1
) -> float:
    """The same where ``controls``, packets that pass, went out in the same moments: the loss is
    at least what befell them.  ``pieces``: packets that one attempt consists of, where a control
    is one, so that it is lost as many times as easily."""

    def chance_by(sent: int, lost: int) -> float:
        return chance_of_silence(attempts, sent, min(sent, pieces * max(0, lost)))

    return max(chance_by(*path), chance_by(*controls))


def rules_out_loss(attempts: int, chance: float) -> bool:
    """Whether so many silent attempts, with such a chance, mean that something blocks."""
    return attempts >= ATTEMPTS_MIN and chance <= CHANCE_MAX
