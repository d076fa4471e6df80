"""The server's end: a directory of one entry, for as long as the connection lasts.

It answers every request of RFC 4511 with a result, so no client waits in vain.  Anybody may bind
without SASL; there is no TLS, no schema, and nothing else in it than what this client added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from probes.editors.ldap import messages as ldap
from probes.errors import WireError
from probes.wire import ber
from probes.wire.end import Talker

ENTRY_MAX = 1024
"""Bytes of the entry as it is written; a registration has 500."""

# RFC 4511 section 4.1.9 and appendix A
_SUCCESS = 0
_PROTOCOL_ERROR = 2
_AUTH_METHOD_NOT_SUPPORTED = 7
_ADMIN_LIMIT_EXCEEDED = 11
_NO_SUCH_OBJECT = 32
_UNWILLING_TO_PERFORM = 53
_ENTRY_ALREADY_EXISTS = 68

_SIMPLE = 0x80
_VERSIONS = (2, 3)
_ADD, _DELETE, _REPLACE = 0, 1, 2
_PEOPLE = b"objectclass=rtperson"
_RESPONSES = {
    ldap.BIND_REQUEST: ldap.BIND_RESPONSE,
    ldap.SEARCH_REQUEST: ldap.SEARCH_DONE,
    ldap.MODIFY_REQUEST: ldap.MODIFY_RESPONSE,
    ldap.ADD_REQUEST: ldap.ADD_RESPONSE,
    ldap.DEL_REQUEST: ldap.DEL_RESPONSE,
    ldap.MODIFY_DN_REQUEST: ldap.MODIFY_DN_RESPONSE,
    ldap.COMPARE_REQUEST: ldap.COMPARE_RESPONSE,
    ldap.EXTENDED_REQUEST: ldap.EXTENDED_RESPONSE,
}
_DISCONNECTION = ber.tlv(0x8A, b"1.3.6.1.4.1.1466.20036")  # RFC 4511 section 4.4.1


_Told = Mapping[bytes, tuple[bytes, list[bytes]]]


class _Entry:
    """What the client told of one object.  Attributes are found by their name in lower case,
    and written as they were told."""

    def __init__(self, name: bytes, attributes: _Told) -> None:
        self.name = name
        self.key = _key(name)
        self.attributes = attributes
        parts = [part.partition(b"=") for part in self.key.split(b",")]
        # An ILS client says objectClass in the name and nowhere else.
        self.holds = {(left, right) for left, _, right in parts} | {
            (key, value.lower()) for key, (_, values) in attributes.items() for value in values
        }
        self.has = {key for key, _ in self.holds}

    def written(self, wanted: Sequence[bytes], types_only: bool) -> bytes:
        """The operation that tells it, in the order in which it was asked for: NetMeeting
        needs that."""
        keys = [name.lower() for name in wanted]
        if not keys or b"*" in keys:
            keys += self.attributes
        told = [self.attributes[key] for key in dict.fromkeys(keys) if key in self.attributes]
        shown = [(name, [] if types_only else values) for name, values in told]
        return ber.tlv(ldap.SEARCH_ENTRY, ber.octets(self.name), ldap.attributes(shown))


class Directory(Talker):
    """One connection.  What it was told goes with it."""

    def __init__(self) -> None:
        super().__init__(ber.stream("ldap"))
        self._entry: _Entry | None = None

    def _answers(self, message: bytes) -> list[bytes]:
        whole, number, operation = ldap.operation_of(message)
        if operation.tag in _RESPONSES:
            head = message[number.start : number.end]
            return [ldap.message(head, said) for said in self._answer(whole, operation)]
        if operation.tag == ldap.ABANDON_REQUEST:
            return []
        self._ended = True
        if operation.tag == ldap.UNBIND_REQUEST:
            return []
        notice = _result(ldap.EXTENDED_RESPONSE, _PROTOCOL_ERROR, _DISCONNECTION)
        return [ldap.message(ber.integer(0), notice)]

    def _answer(self, whole: ber.Message, operation: ber.Element) -> list[bytes]:
        response = _RESPONSES[operation.tag]
        if whole.faults:
            return [_result(response, _PROTOCOL_ERROR)]
        try:
            if operation.tag == ldap.SEARCH_REQUEST:
                return [*self._found(operation), _result(response, _SUCCESS)]
            return [_result(response, self._done(operation))]
        except WireError:
            return [_result(response, _PROTOCOL_ERROR)]

    def _done(self, operation: ber.Element) -> int:
        """The result code.  Raises WireError for an operation without what it needs."""
        if operation.tag == ldap.BIND_REQUEST:
            return _bound(operation)
        if operation.tag == ldap.ADD_REQUEST:
            return self._add(operation)
        if operation.tag == ldap.MODIFY_REQUEST:
            return self._modify(operation)
        if operation.tag == ldap.DEL_REQUEST:
            if self._named(operation.value) is None:
                return _NO_SUCH_OBJECT
            self._entry = None
            return _SUCCESS
        if operation.tag == ldap.EXTENDED_REQUEST:
            return _PROTOCOL_ERROR  # RFC 4511 section 4.12, and 4.14.2 for StartTLS
        return _UNWILLING_TO_PERFORM

    def _named(self, name: bytes) -> _Entry | None:
        entry = self._entry
        return entry if entry is not None and entry.key == _key(name) else None

    def _add(self, operation: ber.Element) -> int:
        """The last entry added is the one that is kept."""
        name, listed = _fields(operation, ber.OCTETS, ber.SEQUENCE)
        if self._named(name.value) is not None:
            return _ENTRY_ALREADY_EXISTS
        told = [_attribute(one) for one in listed.children]
        return self._keep(name.value, {one[0].lower(): one for one in told})

    def _modify(self, operation: ber.Element) -> int:
        """All of the changes or none (RFC 4511 section 4.6)."""
        name, changes = _fields(operation, ber.OCTETS, ber.SEQUENCE)
        known = self._named(name.value)
        if known is None:
            return _NO_SUCH_OBJECT
        told = dict(known.attributes)
        for change in changes.children:
            kind, changed = _fields(change, ber.ENUMERATED, ber.SEQUENCE)
            described, values = _attribute(changed)
            key = described.lower()
            before = told.pop(key, (described, []))[1]
            if kind.value == bytes((_ADD,)):
                values = before + values
            elif kind.value == bytes((_DELETE,)):
                gone = frozenset(values or before)
                values = [value for value in before if value not in gone]
            elif kind.value != bytes((_REPLACE,)):
                raise WireError("ldap.changes", "no such kind of change")
            if values:
                told[key] = (described, values)
        return self._keep(known.name, told)

    def _keep(self, name: bytes, told: _Told) -> int:
        entry = _Entry(name, told)
        if len(entry.written((), False)) > ENTRY_MAX:
            return _ADMIN_LIMIT_EXCEEDED
        self._entry = entry
        return _SUCCESS

    def _found(self, operation: ber.Element) -> list[bytes]:
        """The entry, if the search is for it.  Raises WireError."""
        fields = operation.children
        if len(fields) != 8 or fields[0].tag != ber.OCTETS or fields[7].tag != ber.SEQUENCE:
            raise WireError("ldap.SearchRequest", "its fields are not its own")
        base, scope = _key(fields[0].value), fields[1].value
        entry = self._entry
        if entry is None or not _in_scope(entry, base, scope) or not _matches(entry, fields[6]):
            return []
        wanted = [name.value for name in fields[7].children]
        return [entry.written(wanted, types_only=fields[5].value != b"\0")]


def _bound(operation: ber.Element) -> int:
    fields = operation.children
    if len(fields) != 3 or ber.number(fields[0]) not in _VERSIONS:
        return _PROTOCOL_ERROR
    return _SUCCESS if fields[2].tag == _SIMPLE else _AUTH_METHOD_NOT_SUPPORTED


def _in_scope(entry: _Entry, base: bytes, scope: bytes) -> bool:
    if base in (entry.key, _PEOPLE):
        return True
    above = not base or entry.key.endswith(b"," + base)
    return above and scope != bytes((ldap.SCOPE_BASE,))


def _matches(entry: _Entry, wanted: ber.Element) -> bool:
    """RFC 4511 section 4.5.1.7, of what ILS clients ask; anything else matches nothing."""
    if wanted.tag == ldap.FILTER_AND:
        return all(_matches(entry, part) for part in wanted.children)
    if wanted.tag == ldap.FILTER_OR:
        return any(_matches(entry, part) for part in wanted.children)
    if wanted.tag == ldap.FILTER_NOT:
        return not any(_matches(entry, part) for part in wanted.children)
    if wanted.tag == ldap.FILTER_PRESENT:
        return wanted.value.lower() in entry.has
    if wanted.tag == ldap.FILTER_EQUAL and ber.shaped(wanted.children, ber.OCTETS, ber.OCTETS):
        name, value = (part.value.lower() for part in wanted.children)
        # [MS-TAIL] 3.5.11: to ask for a time to live is to be given it; 4.3.2: % is anything.
        return (
            name == b"sttl" or (name, value) in entry.holds or (value == b"%" and name in entry.has)
        )
    return False


def _attribute(told: ber.Element) -> tuple[bytes, list[bytes]]:
    described, values = _fields(told, ber.OCTETS, ber.SET)
    return described.value, [value.value for value in values.children]


def _fields(element: ber.Element, *tags: int) -> tuple[ber.Element, ...]:
    if not ber.shaped(element.children, *tags):
        raise WireError("ldap", f"at byte {element.start} the fields are not its own")
    return element.children


def _result(operation: int, code: int, *more: bytes) -> bytes:
    """An LDAPResult (RFC 4511 section 4.1.9)."""
    return ber.tlv(
        operation, ber.integer(code, ber.ENUMERATED), ber.octets(b""), ber.octets(b""), *more
    )


def _key(name: bytes) -> bytes:
    """A distinguished name as it is compared.  One with escaped commas only equals itself."""
    return b",".join(part.strip() for part in name.lower().split(b","))
