"""H.323: both ends of a call that begins and ends, without media (pure; facts M8, N3, N5, N8).

Two connections make a call (H.323 clauses 8.1 and 8.2), and each has a dialogue of its own:

- ``h323``: call signalling, H.225.0 in Q.931 in TPKT, which the caller opens to port 1720.  It
  carries the address of the other connection, either way, and with fast connect those of
  the media (``signalling``).
- ``h245``: the control channel.  The caller says in Setup where it waits for it, the called end
  says so in Connect, and whichever learns the other's address may open it (clause 8.2).  So
  the connection may go either way; what is said on it is the same (``control``).

What each end announces, from its ``Own``: H.245 at ``listening``; RTP and RTCP at eight ports
beside it (``addresses.media``); T.120 at port 1503.  All at the address of ``listening``.
"""

from __future__ import annotations

from probes.editors.contract import Dialogue
from probes.editors.h323 import control, signalling

PORT = 1720  # IANA: h323hostcall

DIALOGUES = (
    Dialogue(
        name="h323",
        transport="tcp",
        ports=(PORT,),
        listens="tcp",
        client=signalling.Caller,
        server=signalling.Called,
        read=signalling.read,
    ),
    # No port is its own, and the media and T.120 go to other ports than ``listening``.
    Dialogue(
        name="h245",
        transport="tcp",
        ports=(),
        listens=None,
        client=control.client,
        server=control.server,
        read=control.read,
    ),
)
