"""What sizes pass on the way to the server, and whether fragments do (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from netcheck.diagnosis.facts import Facts
from probes import silence
from probes.observation import Fragments, PathMtu, SizeTried

Passing = Literal["pass", "dropped", "unknown"]


def passes(facts: Facts, fragments: Fragments) -> Passing:
    """Dropped only where loss cannot explain it, beside the whole packets that came through."""
    if fragments.answered:
        return "pass"
    sent, controls = fragments.sent, fragments.control_sent
    if fragments.untested or not sent or not fragments.control_answered:
        return "unknown"
    lost = controls - fragments.control_answered
    # Each is two packets, and so is lost twice as often as the small ones that went with it.
    chance = silence.chance_beside(sent, facts.path_loss, (controls, lost), pieces=2)
    return "dropped" if silence.rules_out_loss(sent, chance) else "unknown"


def fragments_pass(facts: Facts, found: Sequence[Fragments]) -> Passing:
    """Dropped in any direction is dropped."""
    each = {passes(facts, f) for f in found}
    if "dropped" in each:
        return "dropped"
    return "pass" if each == {"pass"} else "unknown"


def pieces_are_too_large(tried: PathMtu | None, mtu: int | None) -> bool:
    """Whether the first fragment, as large as leaves this computer, is more than the path takes:
    then it may have been lost by its size, like any packet of it."""
    return mtu is not None and tried is not None and mtu < max(s.size for s in tried.sizes)


def path_mtu(facts: Facts, found: PathMtu | None) -> int | None:
    """The largest size that passes, if it is known that the next one does not, or if it is as
    much as leaves this computer in one piece; in bytes, IP header included."""
    if found is None or found.untested or not found.sizes:
        return None
    sizes = sorted(found.sizes, key=lambda s: s.size)
    small = sizes[0]
    passed = max((s for s in sizes if s.answered), key=lambda s: s.size, default=None)
    if passed is None or passed.size == small.size:
        return None
    if passed.size == sizes[-1].size:
        return passed.size
    following = next(s for s in sizes if s.size > passed.size)
    if following.limit == passed.size:
        return passed.size  # it passes, and a router says that no more does
    if following.size == passed.size + 1 and _size_fails(facts, following, small):
        return passed.size
    return None


def _size_fails(facts: Facts, size: SizeTried, small: SizeTried) -> bool:
    chance = max(
        facts.chance_of_silence("udp", size.sent),
        silence.chance_of_silence(size.sent, small.sent, max(0, small.sent - small.answered)),
    )
    return silence.rules_out_loss(size.sent, chance)
