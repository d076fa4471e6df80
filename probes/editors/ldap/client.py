"""The client's end: a user who says where to be called ([MS-TAIL] sections 3.5.3 and 4.2.2)."""

from __future__ import annotations

from probes.editors.contract import Own, Step
from probes.editors.ldap import messages as ldap
from probes.errors import WireError
from probes.wire import ber
from probes.wire.end import Talker

_REPLACE = 2  # RFC 4511 section 4.6
_NEVER_DEREF = 3  # RFC 4511 section 4.5.1.3
_APPLICATION = b"008aff194794cf118796444553540000"  # NetMeeting, [MS-TAIL] section 4.1.3
_FALSE = b"\x01\x01\x00"


class User(Talker):
    """Each request waits for the answer to the one before it; unbinding is the goodbye."""

    def __init__(self, own: Own) -> None:
        super().__init__(ber.stream("ldap"))
        *self._requests, self._unbind = (
            ldap.message(ber.integer(number), operation)
            for number, operation in enumerate(_operations(own), 1)
        )
        self._answers_to_come = [
            ldap.BIND_RESPONSE,
            ldap.ADD_RESPONSE,
            ldap.MODIFY_RESPONSE,
            ldap.SEARCH_DONE,
        ]

    def begin(self) -> Step:
        return Step(send=(self._requests.pop(0),))

    def finish(self) -> Step:
        return Step(send=(self._unbind,), over=True)

    def _answers(self, message: bytes) -> list[bytes]:
        operation = ldap.operation_of(message)[2].tag
        if operation == ldap.EXTENDED_RESPONSE:  # RFC 4511 section 4.4.1: it disconnects
            self._ended = True
        elif operation in self._answers_to_come[:1]:
            self._answers_to_come.pop(0)
            self._over = not self._answers_to_come
            return [] if self._over else [self._requests.pop(0)]
        elif operation != ldap.SEARCH_ENTRY:
            raise WireError("ldap", f"0x{operation:02x} answers something else")
        return []


def _operations(own: Own) -> tuple[bytes, ...]:
    name = ldap.mail(own.label)
    entry = b"c=-,o=Microsoft,cn=" + name + b",objectClass=rtPerson"
    address = ldap.number_of(own.socket.address)
    told: ldap.Attributes = (
        (b"cn", (name,)),
        (b"rfc822mailbox", (name,)),
        (b"c", (b"-",)),
        (b"sipaddress", (address,)),
        (b"sflags", (b"1",)),
    )
    then: ldap.Attributes = (
        (b"sappid", (b"ms-netmeeting",)),
        (b"smimetype", (b"text/iuls",)),
        (b"sappguid", (_APPLICATION,)),
        (b"sprotid", (b"h323",)),
        (b"sprotmimetype", (b"text/h323",)),
        (b"sipaddress", (address,)),
        (b"sport", (b"%d" % own.listening.port,)),
        (b"sflags", (b"1",)),
    )
    return (
        ber.tlv(ldap.BIND_REQUEST, ber.integer(3), ber.octets(b""), ber.tlv(0x80)),
        ber.tlv(ldap.ADD_REQUEST, ber.octets(entry), ldap.attributes(told)),
        ber.tlv(ldap.MODIFY_REQUEST, ber.octets(entry), _replacing(then)),
        _search(name),
        ber.tlv(ldap.UNBIND_REQUEST),
    )


def _replacing(attributes: ldap.Attributes) -> bytes:
    """The changes of a ModifyRequest."""
    kind = ber.integer(_REPLACE, ber.ENUMERATED)
    changes = (
        ber.tlv(ber.SEQUENCE, kind, ldap.attribute(name, values)) for name, values in attributes
    )
    return ber.tlv(ber.SEQUENCE, *changes)


def _search(name: bytes) -> bytes:
    """For the entry, as ILS clients do: at a base that is not above it."""
    wanted = ber.tlv(
        ldap.FILTER_AND, _equal(b"objectClass", b"rtPerson"), _equal(b"cn", name)
    )  # fmt: skip
    asked = (b"cn", b"sappid", b"sipaddress", b"sport", b"sflags")
    return ber.tlv(
        ldap.SEARCH_REQUEST,
        ber.octets(b"objectClass=rtPerson"),
        ber.integer(ldap.SCOPE_BASE, ber.ENUMERATED),
        ber.integer(_NEVER_DEREF, ber.ENUMERATED),
        ber.integer(0),
        ber.integer(0),
        _FALSE,
        wanted,
        ber.tlv(ber.SEQUENCE, *map(ber.octets, asked)),
    )


def _equal(name: bytes, value: bytes) -> bytes:
    return ber.tlv(ldap.FILTER_EQUAL, ber.octets(name), ber.octets(value))
