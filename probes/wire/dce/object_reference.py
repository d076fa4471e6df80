"""Object references and the string bindings in them ([MS-DCOM] sections 2.2.14 to 2.2.19).

A program that hands out an object says who keeps it: numbers of the object, and as text the
addresses of its object resolver, such as ``192.0.2.1[135]``.  Texts are UTF-16; the lengths
around them count their units.
"""

from __future__ import annotations

import ipaddress
import struct

from probes.wire.dce.ndr import Reader, Writer, uuid_of
from probes.wire.frame import Endpoint
from probes.wire.reading import Carried, Transport

MEOW = 0x574F454D
STANDARD, HANDLER = 1, 2
IID_IUNKNOWN = uuid_of("00000000-0000-0000-c000-000000000046")
IID_ISTORAGE = uuid_of("0000000b-0000-0000-c000-000000000046")

NCACN_IP_TCP, NCADG_IP_UDP = 0x07, 0x08
_TRANSPORTS: dict[int, Transport] = {NCACN_IP_TCP: "tcp", NCADG_IP_UDP: "udp"}
_NTLM = 0x0A
_NO_AUTHORIZATION = 0xFFFF
_PUBLIC_REFS = 5  # references that come with one that is handed out, as Windows has it


def string_binding(endpoint: Endpoint, *, with_port: bool = True) -> str:
    """``address[port]``; an IPv6 address has no brackets of its own (section 2.2.19.3)."""
    address = ipaddress.ip_address(endpoint.address)
    return f"{address}[{endpoint.port}]" if with_port else str(address)


def write_bindings(binding: str) -> tuple[int, int, bytes]:
    """wNumEntries, wSecurityOffset and aStringArray of a DUALSTRINGARRAY with one binding over
    TCP, and one way to authenticate."""
    strings = struct.pack("<H", NCACN_IP_TCP) + binding.encode("utf-16-le") + bytes(4)
    security = struct.pack("<HHHH", _NTLM, _NO_AUTHORIZATION, 0, 0)
    return (len(strings) + len(security)) // 2, len(strings) // 2, strings + security


def write_standard(iid: bytes, numbers: bytes, binding: str) -> bytes:
    """An OBJREF_STANDARD (section 2.2.18.4).  ``numbers`` are its OXID, OID and IPID: 32 bytes."""
    entries, offset, words = write_bindings(binding)
    head = struct.pack("<II16sII32s", MEOW, STANDARD, iid, 0, _PUBLIC_REFS, numbers)
    return head + struct.pack("<HH", entries, offset) + words


def write_interface_pointer(writer: Writer, reference: bytes) -> None:
    """An MInterfacePointer (section 2.2.14)."""
    writer.number(4, len(reference), len(reference))
    writer.raw(reference)


def write_dual_string_array(writer: Writer, binding: str) -> None:
    """A DUALSTRINGARRAY as a parameter (section 2.2.19.2)."""
    entries, offset, words = write_bindings(binding)
    writer.number(4, entries)
    writer.number(2, entries, offset)
    writer.raw(words)


def read_interface_pointer(reader: Reader, field: str) -> None:
    """Raises WireError."""
    size, count = reader.count(4), reader.count(4)
    if size != count:
        reader.fault(f"{field}: ulCntData {count} of {size} bytes")
    read_reference(reader.inner("dce.OBJREF", reader.taken(size)), field)


def read_reference(reader: Reader, field: str) -> None:
    """An OBJREF; of a kind that has no bindings of its own, the bytes.  Raises WireError."""
    signature, flags = reader.number(4), reader.number(4)
    reader.uuid()
    if signature != MEOW:
        reader.fault(f"{field}: signature 0x{signature:08x}")
    elif flags in (STANDARD, HANDLER):
        reader.kept(40 if flags == STANDARD else 56)
        _read_bindings(reader, f"{field}.saResAddr", None)
    reader.remainder()


def read_dual_string_array(reader: Reader, field: str) -> None:
    """Raises WireError."""
    _read_bindings(reader, field, reader.count(4))


def _read_bindings(reader: Reader, field: str, size: int | None) -> None:
    entries, offset = reader.count(2), reader.count(2)
    if size is not None and size != entries:
        reader.fault(f"{field}: wNumEntries {entries} of {size}")
    words = reader.shorts(entries if size is None else size)
    at = 0
    while at < len(words) and words[at]:
        end = next((i for i in range(at + 1, len(words)) if not words[i]), None)
        if end is None:
            reader.fault(f"{field}: a string binding has no end")
            break
        _read_binding(reader, field, words[at], words[at + 1 : end])
        at = end + 1
    at += 1
    if at == 1 and offset == 2:  # no string bindings at all: two zeros (section 2.2.19.1)
        at = 2
    if at != offset:
        reader.fault(f"{field}: wSecurityOffset {offset} instead of {at}")
    security = words[at:]
    reader.note(struct.pack(f">{len(security)}H", *security))
    if security[-1:] != (0,):
        reader.fault(f"{field}: the security bindings have no end")


def _read_binding(reader: Reader, field: str, tower: int, words: tuple[int, ...]) -> None:
    """An address that other programs would go to, or any other text as it is."""
    reader.note(tower.to_bytes(2, "big"))
    raw = struct.pack(f">{len(words)}H", *words)
    transport = _TRANSPORTS.get(tower)
    endpoint = read_string_binding(raw.decode("utf-16-be", "replace")) if transport else None
    if endpoint is None:
        reader.note(raw)
        return
    address, port, written = endpoint
    if written.encode("utf-16-be") != raw:
        reader.fault(f"{field}.aNetworkAddr: not in its shortest form, {written}")
    reader.carry(
        Carried(field=f"{field}.aNetworkAddr", address=address, port=port, reached_by=transport)
    )


def read_string_binding(text: str) -> tuple[str, int | None, str] | None:
    """Address, port, and how they are written; None: it is a name, or nothing of the kind."""
    host, bracket, tail = text.partition("[")
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        return None
    if "%" in host:
        return None
    if not bracket:
        return address, None, address
    number = tail.removesuffix("]")
    if number == tail or not (number.isascii() and number.isdigit() and len(number) <= 5):
        return None
    port = int(number)
    return (address, port, f"{address}[{port}]") if port < 1 << 16 else None
