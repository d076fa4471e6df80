"""How speech would sound: the E-model of ITU-T G.107, from loss and delay to MOS (pure).

What is assumed, beside the defaults of G.107 table 2 (handsets, quiet rooms, no expectation
of less, as from a mobile phone: A = 0):

- the codec is G.723.1 at 6.3 kbit/s, one frame in each packet, with its own concealment of
  losses: Ie = 15, Bpl = 16.1 (G.113 appendix I);
- the player keeps 60 ms in reserve, and a packet that comes later than that is lost;
- coding takes 67.5 ms: two frames of 30 ms and a look-ahead of 7.5 ms (G.114 annex A);
- both directions take half the round trip.
"""

from __future__ import annotations

import math

PLAYER_MS = 60.0
CODER_MS = 67.5
IE, BPL = 15.0, 16.1

BASE = 93.35
"""Ro - Is with the defaults (clauses 7.2 and 7.3): R is then 93.2 without delay, codec or
loss, as clause 7.7 says, since some echo is left."""

_ROE = 94.77  # -1.5 (No - RLR) with No = -61.18 dBm0p and RLR = 2 dB (clauses 7.2 and 7.4)
_TELR = 65.0  # talker echo loudness rating, dB
_WEPL = 110.0  # weighted echo path loss, dB
_PERCEIVED_MS = 100.0  # a pure delay below this is not noticed (Idd = 0)

MOS_MIN, MOS_MAX = 1.0, 4.5


def mos(loss: float, *, rtt_ms: float, burst_ratio: float = 1.0) -> float:
    """The MOS (1 to 4.5) of speech that loses a fraction ``loss`` of its packets on a path
    with this round trip; see ``burst_ratio``."""
    one_way_ms = max(0.0, rtt_ms) / 2 + PLAYER_MS + CODER_MS
    return mos_of(BASE - delay_impairment(one_way_ms) - equipment_impairment(loss, burst_ratio))


def mos_of(rating: float) -> float:
    """MOS of a transmission rating R (G.107 annex B)."""
    if rating <= 0:
        return MOS_MIN
    if rating >= 100:
        return MOS_MAX
    # The cubic dips below 1 for R under 6.5: annex B means none of that.
    return max(MOS_MIN, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


def equipment_impairment(
    loss: float, burst_ratio: float = 1.0, *, ie: float = IE, bpl: float = BPL
) -> float:
    """Ie-eff of a codec that loses a fraction ``loss`` of its packets (G.107 clause 7.5)."""
    percent = 100 * min(1.0, max(0.0, loss))
    return ie + (95 - ie) * percent / (percent / max(1.0, burst_ratio) + bpl)


def burst_ratio(lost: int, gaps: int, sent: int) -> float:
    """How much longer the runs of lost packets are than those of random loss, which last
    1 / (1 - loss) packets (G.107 clause 7.5); 1 where nothing is lost, never less."""
    if lost <= 0 or gaps <= 0 or sent <= lost:
        return 1.0
    return max(1.0, lost / gaps * (1 - lost / sent))


def delay_impairment(one_way_ms: float) -> float:
    """Id = Idte + Idle + Idd for this delay from mouth to ear (G.107 clause 7.4)."""
    return talker_echo(one_way_ms) + listener_echo(one_way_ms) + pure_delay(one_way_ms)


def talker_echo(one_way_ms: float) -> float:
    """Idte, for the default sidetone."""
    t = one_way_ms
    terv = _TELR - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t**2)
    half = (_ROE - (80 + 2.5 * (terv - 14))) / 2
    return (half + math.sqrt(half**2 + 100) - 1) * (1 - math.exp(-t))


def listener_echo(one_way_ms: float) -> float:
    """Idle; the echo goes round once more, so its delay is twice the way."""
    half = (_ROE - 10.5 * (_WEPL + 7) / math.sqrt(math.sqrt(2 * one_way_ms + 1))) / 2
    return half + math.sqrt(half**2 + 169)


def pure_delay(one_way_ms: float) -> float:
    """Idd: waiting for each other, even without any echo."""
    if one_way_ms <= _PERCEIVED_MS:
        return 0.0
    x = math.log2(one_way_ms / _PERCEIVED_MS)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)
