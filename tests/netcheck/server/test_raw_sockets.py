"""GRE, ESP and AH: who is answered, with what, and what a session is told."""

from __future__ import annotations

import secrets

import pytest

from netcheck.server.echo import Desk
from netcheck.server.limits import ServerLimits
from netcheck.server.overhearing import Place
from netcheck.server.raw_sockets import RawEcho, RawSocket
from netcheck.server.repertoire import Repertoire
from netcheck.server.session import Session, Sessions
from probes.editors import pptp
from probes.wire import frame, raw_protocols
from probes.wire.messages import RawArrived
from probes.wire.raw_protocols import NUMBERS, RawName
from tests.probes.editors.talk import CLIENT, talk

SOURCE = "198.51.100.7"
HEADER = b"\x45" + bytes(19)
each = pytest.mark.parametrize("name", NUMBERS)


class Net:
    def __init__(self, name: RawName, **limits: int) -> None:
        sessions = Sessions(ServerLimits(**limits))
        opened = sessions.open(SOURCE, "192.0.2.1")
        assert opened is not None
        self.name: RawName = name
        self.session: Session = opened
        self.echo = RawEcho(Desk(sessions, ServerLimits(**limits)), name)
        self.session.proven.add(SOURCE)

    def question(self, *, number: int = 7, key: int = 0x4321, secret: bytes = b"") -> bytes:
        session = self.session
        asked = frame.Frame(
            frame.PROBE, number, session.id, secrets.token_bytes(16), raw_protocols.body(key)
        )
        return frame.write(asked, secret or session.secret)

    def ask(self, data: bytes, source: str = SOURCE) -> bytes:
        return self.echo.answer(HEADER + raw_protocols.write(self.name, 5, 0, data), source)

    @property
    def told(self) -> list[RawArrived]:
        queue = self.session.outbox
        said = [queue.get_nowait() for _ in range(queue.qsize())]
        return [message for message in said if isinstance(message, RawArrived)]


@each
def test_a_client_is_answered_what_arrived(name: RawName) -> None:
    net = Net(name)
    question = net.question()
    answer = net.ask(question)
    assert len(answer) == len(raw_protocols.write(name, 5, 0, question))
    packet = raw_protocols.read(name, answer)
    assert packet.key == 0x4321
    got = frame.read(packet.payload, net.session.secret)
    said = frame.read_answer(got.body)
    assert (got.kind, said.digest) == (frame.ANSWER, frame.digest(question))
    assert (said.source.address, said.port) == (SOURCE, NUMBERS[name])
    assert net.told == [RawArrived(protocol=name, number=7, source=SOURCE)]


@each
def test_an_address_that_is_not_proved_is_told_of_and_not_answered(name: RawName) -> None:
    net = Net(name)
    assert net.ask(net.question(), "198.51.100.8") == b""
    assert net.ask(net.question(), "198.51.100.8") == b""
    assert net.told == [RawArrived(protocol=name, number=7, source="198.51.100.8")]


@each
def test_nobody_else_is_answered(name: RawName) -> None:
    net = Net(name)
    good = net.question()
    assert net.ask(net.question(secret=bytes(32))) == b""
    assert net.ask(good[:-1]) == net.ask(good + b"\0") == net.ask(b"") == b""
    assert net.ask(good[:8] + bytes(8) + good[16:]) == b""
    assert net.echo.answer(good, SOURCE) == net.echo.answer(b"", SOURCE) == b""
    other = frame.Frame(frame.CONFIRM, 7, net.session.id, bytes(16), bytes(64))
    assert net.ask(frame.write(other, net.session.secret)) == b""
    assert net.told == []


@each
def test_limits(name: RawName) -> None:
    net = Net(name, frames=3)
    assert [bool(net.ask(net.question())) for _ in range(5)] == [True] * 3 + [False] * 2
    assert not net.session.ledger.complete
    net = Net(name)
    for number in range(100):
        net.ask(net.question(number=number))
    assert len(net.told) == 32


def test_a_call_is_answered_by_the_number_that_arrived() -> None:
    """The client's own one, or what an editor has made of it."""
    net = Net("gre")
    assert net.ask(net.question(key=0)) == b""
    language = Repertoire().named("pptp")
    assert language is not None
    place = Place(language, 1723, CLIENT.socket, None)
    for message in talk(pptp.DIALOGUES[0])[0]:
        net.session.overheard.add(message, 7, place)
    answer = net.ask(net.question(key=0))
    assert raw_protocols.read("gre", answer).key == pptp.call_id(CLIENT)
    assert net.ask(net.question(key=0, number=8)) == b""
    assert net.ask(net.question(key=0x10000)) == b"", "no call has such a number"


async def test_it_is_not_opened_everywhere() -> None:
    desk = Desk(Sessions(ServerLimits()), ServerLimits())
    with pytest.raises(OSError, match=r"."):
        RawSocket(desk, "esp", "2001:db8::1")
