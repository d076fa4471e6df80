"""What arrived of the addresses inside messages (facts M5, M7, M8)."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.observation.base import Attempt, Observation, Transport


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address in a message: as it was ``sent`` and as it ``arrived`` (None: it did not), each
    as address:port, or without what the field has not.  ``announced``: the other end is meant
    to go there."""

    field: str
    sent: str
    arrived: str | None = None
    announced: bool = False


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The messages of one direction.  ``kinds`` are the names of those that arrived, of
    ``expected`` that were sent.  ``changed``: something else than addresses is not as it was;
    ``faults`` what does not agree with itself any more."""

    expected: int = 0
    kinds: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    changed: bool = False
    faults: tuple[str, ...] = ()


class Followed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The echo server went to the address that arrived in ``field``.  ``refused``: why it did
    not; ``not-proven``: it is not known to be ours, which alone is an answer."""

    field: str
    target: str
    heard: int = 0
    attempts: tuple[Attempt, ...] = ()
    refused: str = ""


class Talk(Observation, frozen=True, kw_only=True, tag="talk", omit_defaults=True):
    """A dialogue of another protocol with the echo server.

    ``aim``: on the protocol's own port, or the same bytes on one that no editor knows.
    ``outcome``: how the connection or the flow itself fared; ``talked`` if the dialogue came to
    its end.  ``local`` is the socket as this computer knows it, ``source`` as the server saw it.
    ``tries``: where it did not come to its end, how many round trips, spaced by what one takes,
    the connection, or the message that nothing was heard of, was tried in vain.  ``cut``:
    connections that were ended in its middle, and not by us.  ``unread``: bytes of it that
    arrived at the server and made no whole message there, or none that is known to be ours.
    """

    protocol: str
    dialogue: str
    transport: Transport
    port: int
    aim: Literal["own-port", "control"]
    outcome: Literal[
        "talked", "broken-off", "refused", "unreachable", "silent", "local-error", "untested"
    ]
    local: str | None = None
    source: str | None = None
    out: Heard = Heard()
    back: Heard = Heard()
    followed: tuple[Followed, ...] = ()
    tries: int = 0
    cut: int = 0
    unread: int = 0
    untested: str = ""
