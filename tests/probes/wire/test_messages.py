"""The messages: their JSON, their bounds, and that no text whatever does more than fail."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import messages


def built(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type, within its declared bounds."""
    inspect = msgspec.inspect
    match kind:
        case inspect.IntType():
            low = kind.ge if kind.ge is not None else -(2**63)
            high = kind.le if kind.le is not None else 2**63 - 1
            return st.integers(low, high)
        case inspect.FloatType():
            return st.floats(
                kind.ge if kind.ge is not None else kind.gt,
                kind.le,
                exclude_min=kind.gt is not None,
                allow_nan=False,
                allow_infinity=False,
            )
        case inspect.StrType() if kind.pattern is not None:
            return st.from_regex(rf"\A{kind.pattern.strip('^$')}\Z")
        case inspect.StrType():
            return st.text(st.characters(codec="utf-8"), max_size=min(kind.max_length or 40, 40))
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.UnionType():
            return st.one_of([built(each) for each in kind.types])
        case inspect.VarTupleType():
            most = min(kind.max_length or 5, 5)
            return st.lists(
                built(kind.item_type), min_size=kind.min_length or 0, max_size=most
            ).map(tuple)
        case inspect.StructType():
            fields = {field.name: built(field.type) for field in kind.fields}
            return st.builds(kind.cls, **fields)
    raise AssertionError(f"no values for {kind}")


FROM_SERVER = built(msgspec.inspect.type_info(messages.ServerMessage))
FROM_CLIENT = built(msgspec.inspect.type_info(messages.ClientMessage))


@given(FROM_SERVER)
def test_what_the_server_writes_is_read(message: messages.Message) -> None:
    text = messages.write(message)
    assert messages.read_from_server(text) == message
    assert messages.read_from_server(text.encode()) == message


@given(FROM_CLIENT)
def test_what_the_client_writes_is_read(message: messages.Message) -> None:
    text = messages.write(message)
    assert messages.read_from_client(text) == message


@given(FROM_SERVER, FROM_CLIENT)
def test_neither_end_takes_the_others_messages(
    server: messages.Message, client: messages.Message
) -> None:
    with pytest.raises(WireError):
        messages.read_from_client(messages.write(server))
    with pytest.raises(WireError):
        messages.read_from_server(messages.write(client))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(("type", "id", "ports", "x")), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.one_of(st.text(), st.binary(), JSON.map(json.dumps)))
def test_any_text_gives_a_message_or_a_wire_error(text: str | bytes) -> None:
    for read in (messages.read_from_server, messages.read_from_client):
        with contextlib.suppress(WireError):
            assert isinstance(read(text), messages.Message)


@given(FROM_CLIENT, st.data())
def test_a_message_with_something_else_in_it_is_read_or_a_wire_error(
    message: messages.Message, data: st.DataObject
) -> None:
    fields = json.loads(messages.write(message))
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(JSON)
    try:
        again = messages.read_from_client(json.dumps(fields))
    except WireError:
        return
    assert messages.read_from_client(messages.write(again)) == again


@pytest.mark.parametrize(
    "text",
    ["[" * 60_000, '{"type":"ping","n":1,"x":' + "[" * 10_000, '{"a":' * 10_000, "\ud800", b"\xff"],
    ids=["depth", "depth-in-unknown", "depth-of-objects", "surrogate", "no-utf-8"],
)
def test_hostile_texts_give_a_wire_error(text: str | bytes) -> None:
    with pytest.raises(WireError):
        messages.read_from_client(text)
    with pytest.raises(WireError):
        messages.read_from_server(text)


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"ports": []}, False),
        ({"ports": [1] * 65, "numbers": [1] * 64}, False),
        ({"ports": [1] * 64, "numbers": [1] * 64}, True),
        ({"ports": [0]}, False),
        ({"ports": [65536]}, False),
        ({"ports": ["80"]}, False),
        ({"ports": [80.5]}, False),
        ({"ports": None}, False),
        ({"numbers": [65536]}, False),
        ({"offsets_ms": []}, False),
        ({"offsets_ms": [0] * 32}, True),
        ({"offsets_ms": [0] * 33}, False),
        ({"offsets_ms": [-1]}, False),
        ({"offsets_ms": [30_001]}, False),
        ({"patience_ms": 9}, False),
        ({"patience_ms": 10_000}, True),
        ({"patience_ms": 10_001}, False),
        ({"transport": "sctp"}, False),
        ({"address": "x" * 256}, True),
        ({"address": "x" * 257}, False),
        ({"id": -1}, False),
        ({"id": 65536}, False),
        ({"remote_port": 0}, False),
        ({"remote_port": None}, True),
        ({"type": "Call"}, False),
        ({"type": None}, False),
        ({"later": {"any": "thing"}}, True),
    ],
)
def test_a_call_request_is_bounded(changes: dict[str, Any], valid: bool) -> None:
    request = {
        "type": "call",
        "id": 1,
        "transport": "tcp",
        "address": "192.0.2.1",
        "ports": [6891],
        "numbers": [1],
        "offsets_ms": [0],
        "patience_ms": 100,
    }
    text = json.dumps(request | changes)
    if valid:
        assert isinstance(messages.read_from_client(text), messages.CallRequest)
    else:
        with pytest.raises(WireError):
            messages.read_from_client(text)


@pytest.mark.parametrize("missing", ["id", "transport", "address", "ports", "numbers", "type"])
def test_what_is_needed_must_be_there(missing: str) -> None:
    request = {
        "type": "call",
        "id": 1,
        "transport": "tcp",
        "address": "192.0.2.1",
        "ports": [6891],
        "numbers": [1],
        "offsets_ms": [0],
        "patience_ms": 100,
    }
    del request[missing]
    with pytest.raises(WireError):
        messages.read_from_client(json.dumps(request))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (messages.Ping(n=1), '{"type":"ping","n":1}'),
        (messages.Pong(n=1), '{"type":"pong","n":1,"segments":null,"resent":null}'),
        (
            messages.Proven(address="192.0.2.1"),
            '{"type":"proven","address":"192.0.2.1"}',
        ),
        (
            messages.Refusal(id=3, reason="limit", detail="why"),
            '{"type":"refusal","id":3,"reason":"limit","detail":"why"}',
        ),
        (
            messages.CallStop(id=3, port=80, after=6),
            '{"type":"call-stop","id":3,"port":80,"after":6}',
        ),
        (
            messages.OpenRequest(id=3, transport="udp", count=1),
            '{"type":"open","id":3,"transport":"udp","ports":[],"count":1,"speaks":""}',
        ),
    ],
)
def test_the_json_is_that_of_the_specification(message: messages.Message, text: str) -> None:
    assert messages.write(message) == text


def test_messages_are_bounded_in_size() -> None:
    fits = '{"type":"ping","n":1}'.ljust(messages.MAX_REQUEST)
    assert messages.read_from_client(fits) == messages.Ping(n=1)
    with pytest.raises(WireError, match="larger than"):
        messages.read_from_client(fits + " ")
    fits = '{"type":"pong","n":1}'.ljust(messages.MAX_MESSAGE)
    assert messages.read_from_server(fits) == messages.Pong(n=1)
    with pytest.raises(WireError, match="larger than"):
        messages.read_from_server(fits + " ")


@pytest.mark.parametrize(
    "request_",
    [
        messages.OpenRequest(id=65535, transport="tcp", ports=tuple(range(64512, 65536))),
        messages.CallRequest(
            id=65535,
            transport="tcp",
            address="x" * 256,
            ports=tuple(range(65472, 65536)),
            numbers=(65535,) * 64,
            offsets_ms=(30_000,) * 32,
            patience_ms=10_000,
            remote_port=65535,
        ),
        messages.LedgerRequest(id=65535, sent=(messages.Sent(port=65535, frame="0" * 256),) * 64),
        messages.Hello(
            software="\0" * 256,
            session="\0" * 256,
            direct=False,
            tcp_ports=(65535,) * 64,
            udp_ports=(65535,) * 64,
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_the_fullest_request_is_taken(request_: messages.Message) -> None:
    assert messages.read_from_client(messages.write(request_)) == request_
