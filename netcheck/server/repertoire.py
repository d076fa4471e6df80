"""Which protocol of other applications is spoken on which port (pure, but for loading them)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from probes.editors import NAMES, dialogues
from probes.editors.contract import Dialogue, End, Own, Reading
from probes.errors import WireError
from probes.wire.frame import Endpoint
from probes.wire.messages import TransportName

_ANYBODY = Own(
    socket=Endpoint("192.0.2.1", 1),
    listening=Endpoint("192.0.2.1", 1),
    peer=Endpoint("192.0.2.2", 1),
    label=bytes(16),
)


class Language(msgspec.Struct, frozen=True):
    """What is spoken on one port: one dialogue, or several, which the server's end of any of
    them answers.  Not empty."""

    dialogues: tuple[Dialogue, ...]

    @property
    def name(self) -> str:
        """The first one's: whose of them a connection is, only its client knows."""
        return self.dialogues[0].name

    @property
    def transport(self) -> TransportName:
        return self.dialogues[0].transport

    @property
    def speaks_first(self) -> bool:
        """Whether the server does."""
        return bool(self.end(_ANYBODY).begin().send)

    def end(self, own: Own) -> End:
        return self.dialogues[0].server(own)

    def read(self, message: bytes) -> Reading | None:
        """None for what is no message of this language."""
        try:
            return self.dialogues[0].read(message)
        except WireError:
            return None


class Repertoire:
    """What a server speaks.  ``at`` are its own ports, by dialogue: those alone, at those ports;
    None for all, where editors look for them.  Their files are loaded now."""

    def __init__(self, at: Mapping[str, int] | None = None) -> None:
        known = {one.name: one for name in NAMES for one in dialogues(name)}
        self._known = known
        self.ports: dict[tuple[TransportName, int], Language] = _by_port(known.values(), at)

    def named(self, name: str) -> Language | None:
        found = self._known.get(name)
        return None if found is None else Language((found,))


def _by_port(
    known: Iterable[Dialogue], at: Mapping[str, int] | None
) -> dict[tuple[TransportName, int], Language]:
    spoken: dict[tuple[TransportName, int], list[Dialogue]] = {}
    for one in known:
        own = one.ports if at is None else (at[one.name],) if one.name in at else ()
        for port in own:
            spoken.setdefault((one.transport, port), []).append(one)
    return {where: Language(tuple(each)) for where, each in spoken.items()}
