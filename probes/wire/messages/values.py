"""What the messages of both ends are made of."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

OVERHEARD_MAX = 8192  # bytes of one message of another protocol: no editor makes one so long

PortNumber = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Id = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Text = Annotated[str, msgspec.Meta(max_length=256)]
Beat = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]  # what every JSON reader holds exactly
TransportName = Literal["tcp", "udp"]

CallOutcome = Literal[
    "answered",  # whoever listens there knew the secret
    "foreign",  # something accepted and did not know it
    "closed",  # accepted, and ended without a word
    "mute",  # accepted, and nothing was said
    "refused",
    "unreachable",
    "silent",
    "sent",  # UDP: handed to the network; the client knows whether it arrived
    "local-error",  # the server's own computer did not let it out
]
RefusalReason = Literal[
    "not-proven", "not-declared", "forbidden-address", "limit", "bad-request", "closing"
]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The base of all messages."""
