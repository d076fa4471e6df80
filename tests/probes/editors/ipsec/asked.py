"""Requests of clients that are not ours, and what the server says to them."""

from __future__ import annotations

from probes.editors.contract import Own, Step
from probes.editors.ipsec import DIALOGUES, GROUPS, ike
from probes.editors.ipsec import proposals as sa
from tests.probes.editors.talk import SERVER

IPSEC = DIALOGUES[0]


def answer(request: bytes, server: Own = SERVER) -> list[bytes]:
    end = IPSEC.server(server)
    assert end.begin() == Step()
    return list(end.receive(request).send)


def asking(
    *groups: int,
    key: tuple[int, int] | None = None,
    nonce: int = 32,
    protocol: int = 1,
    more: tuple[sa.Transform, ...] = (),
) -> bytes:
    """A request that offers ``groups``, with a Key Exchange of a group and so many bytes."""
    group, size = key or (groups[0], GROUPS[groups[0]])
    offer = sa.Proposal(
        7,
        protocol,
        (
            *map(sa.transform, (1, 2, 3), (12, 5, 12)),
            *more,
            *(sa.transform(sa.GROUP, one) for one in groups),
        ),
    )
    payloads = [
        (ike.SECURITY_ASSOCIATION, sa.write([offer])),
        (ike.KEY_EXCHANGE, group.to_bytes(2) + bytes(2) + b"\x01" * size),
        (ike.NONCE, b"\x02" * nonce),
    ]
    return ike.write(False, (b"\xee" * 8, bytes(8)), ike.INITIATOR, payloads)


class Extreme(Own, frozen=True, kw_only=True):
    """What is taken at random is the same byte again and again."""

    byte: int

    def random(self, purpose: str, size: int) -> bytes:
        return bytes([self.byte]) * size


def extreme(byte: int, own: Own) -> Extreme:
    return Extreme(
        socket=own.socket, listening=own.listening, peer=own.peer, label=own.label, byte=byte
    )
