"""What holds for every dialogue, and docs/editors.md, which says what each of them carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from probes.editors import NAMES, dialogues
from probes.editors.contract import ANNOUNCED_PORT, Dialogue, Own, Step
from probes.editors.pptp import call_id
from probes.errors import WireError
from probes.wire.frame import Endpoint
from probes.wire.reading import Carried
from tests.probes.editors.talk import talk

ALL = [dialogue for name in NAMES for dialogue in dialogues(name)]
each = pytest.mark.parametrize("dialogue", ALL, ids=lambda dialogue: dialogue.name)

# All addresses and ports differ, so that each tells where it was taken from.
CLIENT = Own(
    socket=Endpoint("192.0.2.1", 40001),
    listening=Endpoint("192.0.2.2", 20010),
    peer=Endpoint("192.0.2.3", 5001),
    label=bytes(range(16)),
)
SERVER = Own(
    socket=Endpoint("198.51.100.1", 5002),
    listening=Endpoint("198.51.100.2", 30010),
    peer=Endpoint("198.51.100.3", 41001),
    label=bytes(range(100, 116)),
)
OF_THE_CLIENT = {own.address for own in (CLIENT.socket, CLIENT.listening, CLIENT.peer)}
OWN = {own.address for own in (SERVER.socket, SERVER.listening)}


def origin(carried: Carried) -> str:
    """Where an end took what it says."""
    if not carried.address:
        mine = call_id(CLIENT)
        return "came" if carried.port == mine else "own"
    if carried.address in OF_THE_CLIENT:
        return "came"
    return "own" if carried.address in OWN else "saw"


def row(dialogue: Dialogue) -> str:
    """A line of the table in docs/editors.md."""
    columns: list[dict[str, dict[str, None]]] = [{}, {}, {}, {}]
    places = {"own": 1, "came": 2, "saw": 3}
    for side, heard in enumerate(talk(dialogue, CLIENT, SERVER)):
        for reading in map(dialogue.read, heard):
            for carried in reading.carried:
                column = columns[places[origin(carried)] if side else 0]
                field = re.sub(r"\[\d+\]", "[n]", carried.field)
                column.setdefault(reading.kind, {})[field] = None
    cells = [
        "; ".join(f"{kind}: {', '.join(fields)}" for kind, fields in column.items()) or "-"
        for column in columns
    ]
    return f"| `{dialogue.name}` | {' | '.join(cells)} |"


@each
def test_the_document_says_what_is_carried(dialogue: Dialogue) -> None:
    document = (Path(__file__).parents[3] / "docs" / "editors.md").read_text()
    assert row(dialogue) in document.splitlines()


@each
def test_a_client_says_only_its_own_addresses(dialogue: Dialogue) -> None:
    """But for the Contact that SIP's server asked to be called at."""
    for reading in map(dialogue.read, talk(dialogue, CLIENT, SERVER)[0]):
        for carried in reading.carried:
            known = OWN if carried.field == "Request-URI" else set()
            assert not carried.address or carried.address in OF_THE_CLIENT | known


@each
def test_only_what_the_client_is_called_at_is_announced(dialogue: Dialogue) -> None:
    """Whoever follows a message goes to where somebody may listen: never to the peer's."""
    for reading in map(dialogue.read, talk(dialogue, CLIENT, SERVER)[0]):
        for carried in reading.carried:
            if carried.reached_by is not None:
                assert carried.address in (CLIENT.listening.address, CLIENT.socket.address)


@each
def test_the_goodbye_of_a_client_that_heard_nothing(dialogue: Dialogue) -> None:
    """It may be said at any time, once: a driver gives up when it has waited long enough."""
    end = dialogue.client(CLIENT)
    end.begin()
    goodbye = end.finish()
    assert goodbye.over
    assert not goodbye.arrived
    server = dialogue.server(SERVER)
    server.begin()
    for message in goodbye.send:
        assert server.receive(message).arrived


@each
def test_a_server_has_no_goodbye(dialogue: Dialogue) -> None:
    end = dialogue.server(SERVER)
    end.begin()
    assert end.finish() == Step()


@each
@given(data=st.data())
def test_whole_messages_before_junk_are_not_lost(dialogue: Dialogue, data: st.DataObject) -> None:
    if dialogue.transport == "udp":
        return  # a datagram is one message
    there, here = talk(dialogue, CLIENT, SERVER)
    for make, own, heard in ((dialogue.server, SERVER, there), (dialogue.client, CLIENT, here)):
        count = data.draw(st.integers(0, len(heard)))
        end = make(own)
        end.begin()
        junk = b"\x7f\x7f not \x00 of any protocol\n" * 400
        whole = b"".join(heard[:count])
        if count == 0:
            with pytest.raises(WireError):
                end.receive(junk)
        else:
            step = end.receive(whole + junk)
            assert step.arrived[:count] == tuple(heard[:count])
            assert step.over


@pytest.mark.parametrize("name", ["h323", "ftp-pasv"])
def test_each_conversation_goes_on_at_a_place_of_its_own(name: str) -> None:
    """Behind an editor that expects the last one there, the server's answer would not arrive."""
    dialogue = next(one for name_ in NAMES for one in dialogues(name_) if one.name == name)
    usual = structs.replace(SERVER, listening=Endpoint(SERVER.listening.address, ANNOUNCED_PORT))

    def places(label: bytes, server: Own) -> set[int]:
        _, replies = talk(dialogue, structs.replace(CLIENT, label=label), server)
        return {one.port for m in replies for one in dialogue.read(m).carried if one.port}

    calls = [places(bytes([n]) * 16, usual) for n in range(40)]
    assert places(bytes(16), usual) == calls[0]
    assert places(bytes(16), SERVER) == places(bytes([1]) * 16, SERVER)  # it does wait there
    ports = set().union(*calls)
    assert len(ports) > 0.9 * sum(map(len, calls))
    assert ANNOUNCED_PORT < min(ports) <= max(ports) <= 65535
