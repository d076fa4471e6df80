from __future__ import annotations

from contextlib import suppress

import pytest

from probes.editors.contract import MESSAGE_MAX, End, Step
from probes.editors.ldap import DIALOGUES
from probes.editors.ldap import messages as ldap
from probes.editors.ldap.messages import read
from probes.editors.ldap.server import ENTRY_MAX
from probes.errors import WireError
from probes.wire import ber
from probes.wire.reading import FAULTS_MAX
from tests.probes.editors.ldap.said import (
    ANYTHING,
    LDAPADD,
    LDAPADD_ADD,
    NOTHING,
    ROOT_DSE,
    START_TLS,
    add,
    bind,
    equal,
    request,
    results,
    search,
    understood,
)
from tests.probes.editors.talk import SERVER, talk

(LDAP,) = DIALOGUES
AT_SERVER, AT_CLIENT = talk(LDAP)
BIND, ADD, MODIFY, SEARCH, UNBIND = AT_SERVER
BOUND, ADDED, MODIFIED, ENTRY, FOUND = AT_CLIENT

ENTRY_OF = [(b"cn", [b"u@example.org"]), (b"sipaddress", [b"38643904"])]
ILS_NAME = b"C=-, O=Microsoft, CN=u@example.org, OBJECTCLASS=rtperson"


def directory() -> End:
    end = LDAP.server(SERVER)
    assert end.begin() == Step()
    return end


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (LDAPADD, [("bindResponse", 0)]),
        (bind(2, ber.tlv(0x80)), [("bindResponse", 0)]),
        (bind(9, ber.tlv(0x80)), [("bindResponse", 2)]),
        (bind(3, ber.tlv(0xA3, ber.octets(b"GSSAPI"))), [("bindResponse", 7)]),
        (START_TLS, [("extendedResp", 2)]),
        (ROOT_DSE, [("searchResDone", 0)]),
        (LDAPADD_ADD, [("addResponse", 0)]),
        (MODIFY, [("modifyResponse", 32)]),
        (request(ber.tlv(ldap.DEL_REQUEST, ILS_NAME)), [("delResponse", 32)]),
        (
            request(ber.tlv(0x6C, ber.octets(b"cn=x"), ber.octets(b"cn=y"), b"\x01\x01\xff")),
            [("modDNResponse", 53)],
        ),
        (
            request(ber.tlv(0x6E, ber.octets(b"x"), ber.tlv(0x30, ber.octets(b"a")))),
            [("compareResponse", 53)],
        ),
        (request(ber.tlv(0x50, b"\x01")), []),
        (request(ber.tlv(ldap.ADD_REQUEST, ber.octets(b"x"))), [("addResponse", 2)]),
        (request(ber.tlv(ldap.SEARCH_REQUEST, ber.octets(b"x"))), [("searchResDone", 2)]),
        (add(ILS_NAME, (b"comment", [bytes(ENTRY_MAX)])), [("addResponse", 11)]),
    ],
)  # fmt: skip
def test_every_request_is_answered(data: bytes, expected: list[tuple[str, int]]) -> None:
    step = directory().receive(data)
    assert step.arrived == (data,)
    assert not step.over
    assert results(step) == expected
    number = ber.read("x", data).root.children[0]
    assert all(int(understood(one)["messageID"]) == ber.number(number) for one in step.send)


def test_what_is_no_request_ends_the_connection() -> None:
    """RFC 4511 section 4.4.1; the next request is not looked at."""
    for operation in (ADDED, request(ber.tlv(0x7E))):
        step = directory().receive(operation + LDAPADD)
        assert step.over
        assert step.arrived == (operation,)
        (notice,) = step.send
        assert notice.hex() == (
            "30240201007" + "81f0a0102040004008a16312e332e362e312e342e312e313436362e3230303336"
        )
    assert directory().receive(UNBIND + LDAPADD) == Step(arrived=(UNBIND,), over=True)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (search(ILS_NAME, 0, ANYTHING), True),
        (search(ILS_NAME.lower().replace(b" ", b""), 0, ANYTHING), True),
        (search(b"objectClass=RTPerson", 0, equal(b"cn", b"U@example.org")), True),
        (search(b"objectClass=rtPerson", 0, equal(b"cn", b"%")), True),
        (search(b"objectClass=rtPerson", 0, NOTHING), False),
        (search(b"", 2, ANYTHING), True),
        (search(b"", 0, ANYTHING), False),
        (search(b"OBJECTCLASS=rtperson", 2, ANYTHING), True),
        (search(b"cn=u@example.org,objectclass=rtperson", 2, ANYTHING), True),
        (search(b"dc=example", 2, ANYTHING), False),
        (search(ILS_NAME, 0, ber.tlv(0xA0, ANYTHING, equal(b"cn", b"u@example.org"))), True),
        (search(ILS_NAME, 0, ber.tlv(0xA0, ANYTHING, NOTHING)), False),
        (search(ILS_NAME, 0, ber.tlv(0xA1, NOTHING, ANYTHING)), True),
        (search(ILS_NAME, 0, ber.tlv(0xA2, NOTHING)), True),
        (search(ILS_NAME, 0, ber.tlv(0xA2, ANYTHING)), False),
        (search(ILS_NAME, 0, ber.tlv(0xA4, ber.octets(b"cn"), ber.tlv(0x30))), False),
        # [MS-TAIL] section 4.2.2: the refresh of a registration
        (
            search(
                b"objectClass=rtPerson",
                0,
                ber.tlv(
                    0xA0,
                    equal(b"objectClass", b"rtPerson"),
                    equal(b"cn", b"u@example.org"),
                    equal(b"sttl", b"10"),
                ),
            ),
            True,
        ),
    ],
)
def test_the_entry_is_found(data: bytes, found: bool) -> None:
    end = directory()
    assert results(end.receive(add(ILS_NAME, *ENTRY_OF))) == [("addResponse", 0)]
    expected = [("searchResEntry", -1)] * found + [("searchResDone", 0)]
    assert results(end.receive(data)) == expected


@pytest.mark.parametrize(
    ("asked", "types_only", "told"),
    [
        ((), False, ENTRY_OF),
        ((b"*",), False, ENTRY_OF),
        ((b"1.1",), False, []),
        ((b"SIPADDRESS", b"nothing", b"cn"), False, ENTRY_OF[::-1]),
        ((b"cn", b"cn"), True, [(b"cn", [])]),
    ],
)
def test_the_entry_is_told_as_it_was_asked_for(
    asked: tuple[bytes, ...], types_only: bool, told: list[tuple[bytes, list[bytes]]]
) -> None:
    end = directory()
    end.receive(add(ILS_NAME, *ENTRY_OF))
    entry = end.receive(search(ILS_NAME, 0, ANYTHING, *asked, types_only=types_only)).send[0]
    assert entry == request(ber.tlv(ldap.SEARCH_ENTRY, ber.octets(ILS_NAME), ldap.attributes(told)))


def change(kind: int, name: bytes, *values: bytes) -> bytes:
    one = ber.tlv(0x30, ber.integer(kind, ber.ENUMERATED), ldap.attribute(name, values))
    return request(ber.tlv(ldap.MODIFY_REQUEST, ber.octets(ILS_NAME), ber.tlv(0x30, one)))


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (change(2, b"CN", b"x"), 0, [(b"sipaddress", [b"38643904"]), (b"CN", [b"x"])]),
        (change(2, b"cn"), 0, ENTRY_OF[1:]),
        (change(0, b"cn", b"x"), 0, [ENTRY_OF[1], (b"cn", [b"u@example.org", b"x"])]),
        (change(1, b"cn"), 0, ENTRY_OF[1:]),
        (change(1, b"cn", b"x"), 0, ENTRY_OF[::-1]),
        (change(3, b"cn", b"x"), 2, ENTRY_OF),
        (change(0, b"cn", bytes(ENTRY_MAX)), 11, ENTRY_OF),
        (add(ILS_NAME), 68, ENTRY_OF),
    ],
)
def test_the_entry_is_modified(
    data: bytes, code: int, told: list[tuple[bytes, list[bytes]]]
) -> None:
    end = directory()
    end.receive(add(ILS_NAME, *ENTRY_OF))
    ((_, result),) = results(end.receive(data))
    assert result == code
    entry = end.receive(search(ILS_NAME, 0, ANYTHING)).send[0]
    assert entry == request(ber.tlv(ldap.SEARCH_ENTRY, ber.octets(ILS_NAME), ldap.attributes(told)))


def test_one_entry_is_kept_and_it_can_be_deleted() -> None:
    end = directory()
    end.receive(add(b"cn=first") + add(b"cn=second"))
    assert len(end.receive(search(b"cn=first", 0, ANYTHING)).send) == 1
    present = ber.tlv(ldap.FILTER_PRESENT, b"cn")
    assert len(end.receive(search(b"CN=second", 0, present)).send) == 2
    assert results(end.receive(request(ber.tlv(ldap.DEL_REQUEST, b"cn=Second")))) == [
        ("delResponse", 0)
    ]
    assert len(end.receive(search(b"CN=second", 0, present)).send) == 1


def hostile() -> list[bytes]:
    """As much as fits into one message of what costs the most."""
    filters = b"\x87\x00" * 4000
    deep = b"\x87\x00"
    while len(deep) < 8000:
        deep = ber.tlv(0xA2, deep)
    room = MESSAGE_MAX - 150
    many = [equal(b"cn", b"%d" % n) for n in range(room // 12)]
    changes = ber.tlv(0x30, ber.integer(0, 10), ldap.attribute(b"", [b""])) * (room // 13)
    return [
        search(ILS_NAME, 0, ber.tlv(0xA1, filters)),
        search(ILS_NAME, 0, deep),
        search(ILS_NAME, 0, ber.tlv(0xA1, *many)),
        search(ILS_NAME, 0, ANYTHING, *[b""] * (room // 2)),
        add(ILS_NAME, (b"x", [b""] * (room // 2))),
        request(ber.tlv(0x66, ber.octets(ILS_NAME), ber.tlv(0x30, changes))),
        request(b"\x30\x01" * 4000),
    ]


def test_the_costliest_messages_are_answered() -> None:
    end = directory()
    end.receive(add(ILS_NAME, (b"x", [b""] * 400)))
    for data in hostile():
        assert 6000 < len(data) <= MESSAGE_MAX
        with suppress(WireError):
            assert len(read(data).faults) <= FAULTS_MAX
        assert end.receive(data).send
