"""Bytes of other protocols that no session was told of: no whole message, or none with a label.

An editor that changes the length of a message and not what says it, or that changes the label,
leaves the server with these.  Whoever asks is told where they came and how many they are, so that
a message which was damaged does not look like one that was dropped; not what they say, since
they may be somebody else's of the same address.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from netcheck.server.session import Session
from probes.wire import label
from probes.wire.frame import Endpoint
from probes.wire.messages import TransportName, UnreadLine

LINES_MAX = 256  # told at once; a check has seventy dialogues, on three connections at the most
_KEPT = 1024  # bytes in which a label is looked for: it stands at the beginning of each message

Key = tuple[TransportName, int, Endpoint]
"""Of one connection or flow: where it came, and from where."""


class _Unread(msgspec.Struct):
    at: float
    size: int
    whole: int  # messages at the beginning
    rest: int  # bytes behind them
    head: bytes
    session: Session | None  # the one whose label came, or that alone may use the port
    number: int | None


class Unread:
    """The last ones, each as long as nothing else came on its connection or flow."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[Key, _Unread] = OrderedDict()

    def keep(
        self,
        key: Key,
        messages: Sequence[bytes],
        rest: bytes | bytearray,
        *,
        now: float,
        session: Session | None,
        number: int | None,
    ) -> None:
        """All that is unread there now: ``messages`` without a label, and the ``rest``."""
        data = b"".join((*messages, rest))
        self._known.pop(key, None)
        if data:
            self._known[key] = _Unread(
                now, len(data), len(messages), len(rest), data[:_KEPT], session, number
            )
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)

    def of(self, session: Session, now: float) -> tuple[UnreadLine, ...]:
        """What may be the session's, the latest first."""
        found: list[UnreadLine] = []
        for (transport, port, source), each in reversed(self._known.items()):
            if each.at < session.began or len(found) == LINES_MAX:
                break
            number = each.number
            if number is None:
                number = _number_in(each.head, session)
            if each.session not in (None, session) or not (
                each.session or number is not None or source.address in session.proven
            ):
                continue
            found.append(
                UnreadLine(
                    transport=transport,
                    port=port,
                    source=str(source),
                    size=each.size,
                    whole=each.whole,
                    rest=each.rest,
                    age_ms=round((now - each.at) * 1000),
                    number=number,
                )
            )
        return tuple(found)


def _number_in(data: bytes, session: Session) -> int | None:
    """That of a label of the session's that stands somewhere in ``data``, in either spelling."""
    spellings: tuple[tuple[bytes, int, Callable[[bytes], bytes | None]], ...] = (
        (session.id, label.SIZE, bytes),
        (session.id.hex().encode(), 2 * label.SIZE, lambda t: label.of_text(t.decode("latin-1"))),
    )
    for begins, size, read in spellings:
        at = data.find(begins)
        if at >= 0 and (found := read(data[at : at + size])) is not None:
            return label.number(found, session.secret)
    return None
