"""SIP calls with SDP (RFC 3261, 4566, 3264): addresses in Via, Contact, From, o=, c=, m= and more.

The client calls the server, which takes the call; hanging up is the goodbye.  The label is the
``Call-ID``: random digits without a host, which an editor leaves alone.  ``Own.listening`` is
announced in the ``m=audio`` line (its port is best an even one: editors think of RTP and RTCP as a
pair, RFC 3550 section 11), the socket in ``Via`` and ``Contact``.  The server's 200 has its own
session description, and the client's address as it was seen, in ``received`` and ``rport``.

Linux's editor (measured) opens the announced port with the INVITE, for one flow from the server's
address, and shuts it when the BYE passes.  It rewrites Via, Contact, o=, c= and m=, and leaves
From (which has no port) and a=rtcp alone.
"""

from __future__ import annotations

from functools import partial

from probes.editors.contract import Dialogue
from probes.editors.sip.calls import PORT, Client, Server
from probes.editors.sip.reading import read

DIALOGUES: tuple[Dialogue, ...] = (
    Dialogue(
        name="sip-udp",
        transport="udp",
        ports=(PORT,),
        listens="udp",
        client=partial(Client, transport="udp"),
        server=partial(Server, transport="udp"),
        read=read,
    ),
    Dialogue(
        name="sip-tcp",
        transport="tcp",
        ports=(PORT,),
        listens="udp",
        client=partial(Client, transport="tcp"),
        server=partial(Server, transport="tcp"),
        read=read,
    ),
)
