"""How long to wait and when to try again, from the round trips measured in this run (pure)."""

from __future__ import annotations

import msgspec

FIRST_RTT_S = 0.25  # assumed until one is measured: a slow mobile or satellite-free path
PATIENCE_MIN_S = 0.15  # a busy computer or Wi-Fi power saving answers late, even next door
PATIENCE_MAX_S = 3.0  # longer round trips than this carry no call anyway
GAP_MIN_S = 0.1  # attempts closer together than this would all fall into one short outage
GAP_GROWTH = 1.3  # later attempts are further apart, so that together they outlast one
GAP_MAX_S = 0.5  # and still give enough attempts in a few seconds
GAP_SLOW_MAX_S = 1.5  # and slower paths are not waited for as long as they take

GAP_BESIDE_S = 0.04
"""Between attempts that have controls, packets that pass, in the same moments: an outage takes
both and so counts as loss, and they need not be spread out.  Twice what a busy computer may be
late by."""


class Pace(msgspec.Struct, frozen=True):
    """Smoothed round trip and its variation, in seconds (as in RFC 6298 section 2)."""

    rtt_s: float = FIRST_RTT_S
    variation_s: float = FIRST_RTT_S / 2

    def measured(self, rtt_s: float) -> Pace:
        """The pace after one more measured round trip."""
        if self == Pace():
            return Pace(rtt_s, rtt_s / 2)
        variation = 0.75 * self.variation_s + 0.25 * abs(self.rtt_s - rtt_s)
        return Pace(0.875 * self.rtt_s + 0.125 * rtt_s, variation)

    @property
    def patience_s(self) -> float:
        """How long an answer may take before it counts as lost."""
        return min(PATIENCE_MAX_S, max(PATIENCE_MIN_S, 2 * self.rtt_s + 4 * self.variation_s))

    def gap_s(self, attempt: int) -> float:
        """The pause between attempt ``attempt`` (from 0) and the next."""
        longest = min(GAP_SLOW_MAX_S, max(GAP_MAX_S, self.rtt_s))
        return min(longest, max(GAP_MIN_S, self.rtt_s) * GAP_GROWTH**attempt)

    def offsets_s(self, attempts: int) -> tuple[float, ...]:
        """When each of ``attempts`` tries is made, from the first."""
        offsets = [0.0]
        for attempt in range(attempts - 1):
            offsets.append(offsets[-1] + self.gap_s(attempt))
        return tuple(offsets)
