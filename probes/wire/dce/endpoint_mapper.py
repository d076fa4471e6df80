"""The endpoint mapper: which port an interface is at (C706 appendix O, towers: appendix L).

A tower says with one floor for each protocol how an interface is reached: the interface, NDR,
connection-oriented RPC, the TCP port, the IPv4 address.  There is no floor for IPv6.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

import msgspec

from probes.wire.dce.bind import NDR, Syntax
from probes.wire.dce.ends import Interface, Operation
from probes.wire.dce.ndr import NIL, NUMBER, Reader, Writer
from probes.wire.end import Own
from probes.wire.frame import Endpoint
from probes.wire.reading import READINGS_MAX, Carried, Transport

SYNTAX = Syntax.of("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3, 0)
LOOKUP, MAP, LOOKUP_HANDLE_FREE = 2, 3, 4
REFUSED = (0, 1, 5, 6)
"""Operations that change the map, or ask about objects: never for strangers."""

NOT_REGISTERED = 0x16C9A0D6  # ept_s_not_registered

_UUID_FLOOR, _RPC_FLOOR = 0x0D, b"\x0b"
_TCP_FLOOR, _UDP_FLOOR, _IP_FLOOR = b"\x07", b"\x08", b"\x09"
_PORTS: dict[bytes, Transport] = {_TCP_FLOOR: "tcp", _UDP_FLOOR: "udp"}
_NO_HANDLE = bytes(20)


class Tower(msgspec.Struct, frozen=True, kw_only=True):
    """How an interface is reached; ``transport`` is None for protocols not known here."""

    interface: Syntax | None = None
    transport: Transport | None = None
    address: str | None = None
    port: int | None = None


class Wanted(msgspec.Struct, frozen=True):
    """What ept_map asks for."""

    object: bytes
    tower: Tower | None
    max_towers: int
    pointers: frozenset[int] = frozenset()


def write_tower(interface: Syntax, endpoint: Endpoint) -> bytes:
    """A tower of 5 floors.  An IPv6 address is left out: 0.0.0.0 is the host that was asked."""
    address = ipaddress.ip_address(endpoint.address)
    packed = address.packed if address.version == 4 else bytes(4)
    floors = (
        *(_syntax_floor(syntax) for syntax in (interface, NDR)),
        (_RPC_FLOOR, bytes(2)),
        (_TCP_FLOOR, endpoint.port.to_bytes(2, "big")),
        (_IP_FLOOR, packed),
    )
    return struct.pack("<H", len(floors)) + b"".join(
        struct.pack("<H", len(part)) + part for floor in floors for part in floor
    )


def _syntax_floor(syntax: Syntax) -> tuple[bytes, bytes]:
    head = struct.pack("<B16sH", _UUID_FLOOR, syntax.uuid, syntax.major)
    return head, struct.pack("<H", syntax.minor)


def read_tower(reader: Reader, field: str, *, reached: bool) -> Tower:
    """The floors, in whatever order.  ``field`` is what carries the tower, ``reached`` whether
    the other end is to go there.  Raises WireError."""
    floors = [(_part(reader), _part(reader)) for _ in range(reader.packed(2))]
    reader.remainder()
    port = next((f for f in floors if f[0] in _PORTS and len(f[1]) == 2), None)
    host = next((f for f in floors if f[0] == _IP_FLOOR and len(f[1]) == 4), None)
    for floor in floors:
        reader.note(floor[0])
        if host is not None and (floor is host or floor is port):
            reader.note(b"", NUMBER)
        else:
            reader.note(floor[1])
            if floor[0] == _IP_FLOOR or floor[0] in _PORTS:
                reader.fault(f"{field}: {floor[1].hex()} is no number of protocol {floor[0][0]}")
    tower = Tower(
        interface=_syntax(floors[0]) if floors else None,
        transport=_PORTS[port[0]] if port else None,
        address=str(ipaddress.IPv4Address(host[1])) if host else None,
        port=int.from_bytes(port[1], "big") if port else None,
    )
    if tower.address is not None:
        goes = tower.transport if reached else None
        reader.carry(Carried(field=field, address=tower.address, port=tower.port, reached_by=goes))
    return tower


def _part(reader: Reader) -> bytes:
    return reader.taken(reader.packed(2))


def _syntax(floor: tuple[bytes, bytes]) -> Syntax | None:
    left, right = floor
    if len(left) != 19 or left[0] != _UUID_FLOOR or len(right) != 2:
        return None
    return Syntax(left[1:17], *struct.unpack("<HH", left[17:] + right))


def _read_twr(reader: Reader, field: str, *, reached: bool) -> Tower:
    size, length = reader.number(4), reader.number(4)
    if size != length:
        reader.fault(f"{field}: tower_length {length} of {size} bytes")
    return read_tower(reader.inner("dce.tower", reader.taken(size)), field, reached=reached)


def _write_twr(writer: Writer, tower: bytes) -> None:
    writer.number(4, len(tower), len(tower))
    writer.raw(tower)


def write_map(object_: bytes, tower: bytes) -> bytes:
    """The parameters of an ept_map request: for this object, reached like this."""
    writer = Writer()
    writer.pointer()
    writer.uuid(object_)
    writer.pointer()
    _write_twr(writer, tower)
    writer.align(4)
    writer.raw(_NO_HANDLE)
    writer.number(4, 1)  # max_towers
    return writer.written()


def read_map(reader: Reader) -> Wanted:
    """An ept_map request; its object is the label.  Raises WireError."""
    if reader.pointer():
        reader.label = reader.uuid()
    tower = _read_twr(reader, "map_tower", reached=False) if reader.pointer() else None
    _read_handle(reader)
    max_towers = reader.number(4)
    reader.remainder()
    return Wanted(reader.label or NIL, tower, max_towers, frozenset(reader.pointers))


def write_mapped(wanted: Wanted, tower: bytes | None) -> bytes:
    """The parameters of the response to an ept_map."""
    max_towers = wanted.max_towers
    writer = Writer(wanted.pointers)
    count = int(tower is not None and max_towers > 0)
    writer.raw(_NO_HANDLE)
    writer.number(4, count, max_towers, 0, count)
    if tower is not None and count:
        writer.pointer()
        _write_twr(writer, tower)
    writer.number(4, 0 if count else NOT_REGISTERED)
    return writer.written()


def read_mapped(reader: Reader) -> None:
    """An ept_map response.  Raises WireError."""
    _read_handle(reader)
    count = reader.number(4)
    reader.number(4)
    first, actual = reader.number(4), reader.number(4)
    if actual > READINGS_MAX:
        raise reader.wrong(f"{actual} towers")
    if (first, actual) != (0, count):
        reader.fault(f"num_towers {count}, but {actual} from the {first}th on")
    there = [reader.pointer() for _ in range(actual)]
    for number, points in enumerate(there):
        if points:
            _read_twr(reader, f"towers[{number}]", reached=True)
    reader.number(4)
    reader.remainder()


def _read_handle(reader: Reader) -> None:
    reader.number(4)
    reader.uuid()


def interface(offered: Sequence[Syntax]) -> Interface:
    """The endpoint mapper of a server that has the ``offered`` interfaces at its own port.

    Objects of a client's are at the port that the server listens on.  All else is truly not
    registered here.
    """

    def map_tower(own: Own, reader: Reader) -> bytes:
        wanted = read_map(reader)
        asked = wanted.tower
        if asked is None or asked.interface is None or asked.transport != "tcp":
            return write_mapped(wanted, None)
        if wanted.object != NIL:
            return write_mapped(wanted, write_tower(asked.interface, own.listening))
        found = next((syntax for syntax in offered if syntax.serves(asked.interface)), None)
        tower = None if found is None else write_tower(found, own.socket)
        return write_mapped(wanted, tower)

    refused: dict[int, Operation | None] = dict.fromkeys(REFUSED)
    return Interface(SYNTAX, refused | {LOOKUP: _lookup, MAP: map_tower, LOOKUP_HANDLE_FREE: _free})


def _lookup(own: Own, reader: Reader) -> bytes:
    """ept_lookup: there is nothing to list."""
    reader.number(4)
    if reader.pointer():
        reader.uuid()
    if reader.pointer():
        reader.uuid()
        reader.number(4)
    reader.number(4)
    _read_handle(reader)
    writer = Writer()
    writer.raw(_NO_HANDLE)
    writer.number(4, 0, reader.number(4), 0, 0, NOT_REGISTERED)
    return writer.written()


def _free(own: Own, reader: Reader) -> bytes:
    """ept_lookup_handle_free: none was given out."""
    _read_handle(reader)
    return _NO_HANDLE + bytes(4)
