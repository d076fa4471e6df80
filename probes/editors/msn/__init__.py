"""MSN Messenger's invitations (facts M1, M3, M4, M5): addresses in the clients' own messages.

Roles and fields are those of version 3.0, the article's: of a file's sender and receiver, the
sender listens, and says where in its second message; there is no ``Connectivity`` field.  What a
voice conversation's messages look like is known from later versions: the same three steps, with
``Session-Protocol``, ``Session-ID`` and an ``IP-Address`` that has a port.  Two dialogues: in
``msn-file`` the announced port is TCP (6891 and up), in ``msn-voice`` UDP (6901).

The label is the passport in ``USR`` (and the ``Session-ID`` of a voice conversation).  The other
direction: after the client's file the contact offers one as well, and says where it is; in a voice
conversation it is the first to say where it listens.
"""

from __future__ import annotations

from functools import partial

import msgspec

from probes.editors.contract import Dialogue
from probes.editors.msn.invitation import read
from probes.editors.msn.sessions import FileClient, FilesClient, Server, VoiceClient

PORT = 1863  # IANA: msnp
FILE = "msn-file"

DIALOGUES: tuple[Dialogue, ...] = (
    Dialogue(
        name=FILE,
        transport="tcp",
        ports=(PORT,),
        listens="tcp",
        client=FileClient,
        server=Server,
        read=read,
    ),
    Dialogue(
        name="msn-voice",
        transport="tcp",
        ports=(PORT,),
        listens="udp",
        client=VoiceClient,
        server=Server,
        read=read,
    ),
)


def files(ports: tuple[int, ...]) -> Dialogue:
    """As ``msn-file``, with one invitation for each of our ``ports``."""
    return msgspec.structs.replace(DIALOGUES[0], client=partial(FilesClient, ports=ports))
