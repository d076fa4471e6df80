"""What the tests of all protocols have in common: two ends that talk without a network."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from probes.editors.contract import MESSAGE_MAX, Dialogue, End, Own, Reading, Step
from probes.errors import WireError
from probes.wire.frame import Endpoint

CLIENT = Own(
    socket=Endpoint("192.168.77.2", 40001),
    listening=Endpoint("192.168.77.2", 20001),
    peer=Endpoint("198.51.100.5", 21),
    label=bytes(range(16)),
)
SERVER = Own(
    socket=Endpoint("198.51.100.5", 21),
    listening=Endpoint("198.51.100.5", 30001),
    peer=Endpoint("203.0.113.2", 40001),
    label=bytes(range(100, 116)),
)
TURNS_MAX = 64  # more than any dialogue has: two ends that never stop are a fault

addresses = st.ip_addresses(v=4).map(str)
endpoints = st.builds(Endpoint, addresses, st.integers(1, 65535))
owns = st.builds(
    Own,
    socket=endpoints,
    listening=endpoints,
    peer=endpoints,
    label=st.binary(min_size=16, max_size=16),
)


def same(data: bytes) -> bytes:
    return data


def talk(
    dialogue: Dialogue,
    client: Own = CLIENT,
    server: Own = SERVER,
    *,
    out: Callable[[bytes], bytes] = same,
    back: Callable[[bytes], bytes] = same,
) -> tuple[list[bytes], list[bytes]]:
    """Let both ends talk until the client is over, and then let it say goodbye.  ``out`` and
    ``back`` are what the network does to each message.  Gives the whole messages that arrived
    at the server and at the client, those of the goodbye too."""
    one, other = dialogue.client(client), dialogue.server(server)
    heard: tuple[list[bytes], list[bytes]] = ([], [])
    to_server: list[bytes] = []
    to_client: list[bytes] = []
    over = [False, False]

    def take(side: int, step: Step) -> None:
        heard[1 - side].extend(step.arrived)
        change, to = (out, to_server) if side == 0 else (back, to_client)
        to.extend(change(data) for data in step.send)
        over[side] |= step.over

    def until_silence() -> None:
        for _ in range(TURNS_MAX):
            if to_server:
                take(1, other.receive(to_server.pop(0)))
            elif to_client:
                take(0, one.receive(to_client.pop(0)))
            else:
                return
        raise AssertionError("they never stop")

    take(0, one.begin())
    take(1, other.begin())
    until_silence()
    assert over[0], "the client does not know that it is done"
    told = len(heard[0])
    goodbye = one.finish()
    take(0, goodbye)
    until_silence()
    assert over[0], "the goodbye began something new"
    assert len(heard[0]) >= told + len(goodbye.send), "the server does not take the goodbye"
    assert over[1] or not goodbye.send, "the server does not go"
    assert not other.finish().send
    return heard


def readings(dialogue: Dialogue, messages: list[bytes]) -> list[Reading]:
    return [dialogue.read(message) for message in messages]


def fed_anything(make: Callable[[], End], chunks: list[bytes]) -> None:
    """Whatever comes, an end gives steps or one WireError, and says no more than a protocol of
    this kind has to say."""
    end = make()
    said = sum(len(data) for data in end.begin().send)
    for chunk in chunks:
        try:
            step = end.receive(chunk)
        except WireError:
            return
        said += sum(len(data) for data in step.send)
        assert all(len(message) <= MESSAGE_MAX for message in step.arrived)
        if step.over:
            return
    assert said <= MESSAGE_MAX + 64 * sum(len(chunk) for chunk in chunks)


def answered_with_no_more(dialogue: Dialogue, datagram: bytes, server: Own = SERVER) -> None:
    """Over UDP whoever asks may not be who his header says."""
    end = dialogue.server(server)
    assert not end.begin().send
    try:
        step = end.receive(datagram)
    except WireError:
        return
    assert len(step.send) <= 1
    assert all(len(data) <= len(datagram) for data in step.send)
