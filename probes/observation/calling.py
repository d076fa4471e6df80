"""Short calls as NetMeeting makes them, with the echo server at the other end (facts N2-N8)."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.observation.base import AttemptOutcome, Observation
from probes.observation.editors import Followed, Heard


class CallMedia(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One medium of a call, in one direction, to where the H.245 messages said.

    ``rtp_to`` and ``rtcp_to`` are the receiver's addresses as the sender read them (None: they
    did not arrive); ``refused`` and ``rtcp_refused``: why nothing was sent there
    (``not-proven``: it is not known to be the receiver's, which alone is an answer).
    ``received`` is None if the receiver's count did not reach us; ``reports`` are RTCP's, of
    ``reports_sent`` (0 if nothing was, or if the sender does not tell).
    """

    kind: Literal["audio", "video"]
    direction: Literal["outbound", "inbound"]
    rtp_to: str | None = None
    rtcp_to: str | None = None
    refused: str = ""
    rtcp_refused: str = ""
    sent: int = 0
    received: int | None = None
    reports_sent: int = 0
    reports: int | None = None


class CallConnection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the two connections of a call.

    ``to``: where it went, as its opener read it; ``outcome`` ``answered`` if the other end spoke
    the protocol there, else how the last of ``attempts`` failed, each a connect or, where it was
    accepted and nothing came, a time that TCP had to send; None: it was never tried, and
    ``refused`` says why if it is known.  ``over``: everything was said that had to be.
    ``out`` and ``back`` are our messages and those of the server.
    """

    to: str | None = None
    outcome: AttemptOutcome | None = None
    attempts: int = 0
    refused: str = ""
    detail: str = ""
    over: bool = False
    out: Heard = Heard()
    back: Heard = Heard()


class Call(Observation, frozen=True, kw_only=True, tag="call", omit_defaults=True):
    """A call by H.323, without a gatekeeper.

    ``direction`` outbound: we call the server at its port 1720; inbound: it calls us at the
    address that it read in our directory entry.  ``signalling`` is H.225.0, ``control`` H.245
    on the dynamic TCP port that H.225.0 agreed on, which the caller opens.
    ``data``: the server went to where we said that T.120 waits.
    """

    direction: Literal["outbound", "inbound"]
    signalling: CallConnection = CallConnection()
    control: CallConnection = CallConnection()
    media: tuple[CallMedia, ...] = ()
    data: Followed | None = None
    untested: str = ""
