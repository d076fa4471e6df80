"""IActivation: a client asks for an object of a class ([MS-DCOM] section 3.1.2.5.2.3.1).

A client may hand over a storage, an object of its own that the new one is to be loaded from.
Both sides then hold a reference to an object of the other's, with addresses in it.
"""

from __future__ import annotations

from probes.wire.dce.bind import Syntax
from probes.wire.dce.ends import BAD_STUB_DATA, Interface, Refused
from probes.wire.dce.ndr import NIL, Reader, Writer, uuid_of
from probes.wire.dce.object_reference import (
    IID_ISTORAGE,
    IID_IUNKNOWN,
    NCACN_IP_TCP,
    read_dual_string_array,
    read_interface_pointer,
    string_binding,
    write_dual_string_array,
    write_interface_pointer,
    write_standard,
)
from probes.wire.end import Own
from probes.wire.reading import READINGS_MAX

SYNTAX = Syntax.of("4d9f4ab8-7d1c-11cf-861e-0020af6e7c57", 0, 0)
REMOTE_ACTIVATION = 0
VERSION = (5, 4)
"""The last COMVERSION without IRemoteSCMActivator (section 2.2.11), which is not here."""

CLSID = uuid_of("7f1d5c0a-6f3b-4e0e-9a55-2b8d6c1e40f7")
"""The only class that is activated here: netcheck's own."""

REGDB_E_CLASSNOTREG = 0x80040154
_IDENTIFY = 2  # RPC_C_IMP_LEVEL_IDENTIFY
_NO_AUTHENTICATION = 1  # RPC_C_AUTHN_LEVEL_NONE
_INTERFACES_MAX = 32
_EXTENSIONS_MAX = 8


def write_request(own: Own) -> bytes:
    """The parameters of a RemoteActivation from a storage at ``own.listening``; the label is
    the causality identifier."""
    numbers = own.random("OBJREF", 32)
    storage = write_standard(IID_ISTORAGE, numbers, string_binding(own.listening))
    writer = Writer()
    writer.number(2, *VERSION)
    writer.number(4, 0, 0)  # flags, reserved1
    writer.uuid(own.label)
    writer.pointer(False)  # extensions
    writer.uuid(CLSID)
    writer.pointer(False)  # pwszObjectName
    writer.pointer()  # pObjectStorage
    write_interface_pointer(writer, storage)
    writer.number(4, _IDENTIFY, 0, 1)  # ClientImpLevel, Mode, Interfaces
    writer.pointer()  # pIIDs
    writer.number(4, 1)
    writer.uuid(IID_IUNKNOWN)
    writer.number(2, 1)  # cRequestedProtseqs
    writer.number(4, 1)
    writer.number(2, NCACN_IP_TCP)
    return writer.written()


def read_request(reader: Reader) -> tuple[bytes, tuple[bytes, ...]]:
    """The class and the interfaces that are asked for.  Raises WireError."""
    reader.number(2), reader.number(2)  # version
    reader.number(4), reader.number(4)  # flags, reserved1
    reader.label = reader.uuid()
    _read_extensions(reader)
    clsid = reader.uuid()
    if reader.pointer():
        _read_string(reader)
    if reader.pointer():
        read_interface_pointer(reader, "pObjectStorage")
    reader.number(4), reader.number(4)  # ClientImpLevel, Mode
    count = reader.number(4)
    iids: tuple[bytes, ...] = ()
    if reader.pointer():
        if reader.number(4) != count:
            reader.fault(f"pIIDs are not the {count} Interfaces")
        _some(reader, count, _INTERFACES_MAX)
        iids = tuple(reader.uuid() for _ in range(count))
    reader.number(2)  # cRequestedProtseqs
    sequences = reader.number(4)
    _some(reader, sequences, reader.left // 2)
    for _ in range(sequences):
        reader.number(2)
    reader.remainder()
    return clsid, iids


def write_response(own: Own, iids: tuple[bytes, ...]) -> bytes:
    """An object whose exporter is at ``own.listening``, and its resolver at this port."""
    numbers = own.random("OBJREF", 32)
    writer = Writer()
    _write_head(writer)
    writer.raw(numbers[:8])  # pOxid
    writer.pointer()  # ppdsaOxidBindings
    write_dual_string_array(writer, string_binding(own.listening))
    writer.uuid(own.random("ipidRemUnknown", 16))
    writer.number(4, _NO_AUTHENTICATION)
    writer.number(2, *VERSION)
    writer.number(4, 0, len(iids))  # phr, and the size of ppInterfaceData
    for _ in iids:
        writer.pointer()
    for iid in iids:
        writer.align(4)
        binding = string_binding(own.socket)
        write_interface_pointer(writer, write_standard(iid, numbers, binding))
    writer.number(4, len(iids), *(0 for _ in iids), 0)  # pResults, status
    return writer.written()


def write_no_class(iids: tuple[bytes, ...]) -> bytes:
    """The class is not registered here."""
    writer = Writer()
    _write_head(writer)
    writer.number(8, 0)
    writer.pointer(False)
    writer.uuid(NIL)
    writer.number(4, 0)
    writer.number(2, *VERSION)
    writer.number(4, REGDB_E_CLASSNOTREG, len(iids), *(0 for _ in iids))
    writer.number(4, len(iids), *(REGDB_E_CLASSNOTREG for _ in iids), 0)
    return writer.written()


def _write_head(writer: Writer) -> None:
    writer.number(4, 0)  # ORPCTHAT: flags
    writer.pointer(False)  # and extensions


def read_response(reader: Reader) -> None:
    """Raises WireError."""
    reader.number(4)
    _read_extensions(reader)
    reader.number(8)
    if reader.pointer():
        read_dual_string_array(reader, "ppdsaOxidBindings")
    reader.uuid()
    reader.number(4)
    reader.number(2), reader.number(2)
    reader.number(4)
    count = reader.number(4)
    _some(reader, count, READINGS_MAX)
    there = [reader.pointer() for _ in range(count)]
    for number, points in enumerate(there):
        if points:
            read_interface_pointer(reader, f"ppInterfaceData[{number}]")
    results = reader.number(4)
    if results != count:
        reader.fault(f"{results} pResults of {count} interfaces")
    _some(reader, results, READINGS_MAX)
    for _ in range(results + 1):
        reader.number(4)
    reader.remainder()


def _read_extensions(reader: Reader) -> None:
    """An ORPC_EXTENT_ARRAY (section 2.2.13.2).  There should be none, but clients do have it."""
    if not reader.pointer():
        return
    reader.number(4), reader.number(4)
    if not reader.pointer():
        return
    count = reader.number(4)
    _some(reader, count, _EXTENSIONS_MAX)
    there = [reader.pointer() for _ in range(count)]
    for _ in range(sum(there)):
        size = reader.number(4)
        reader.uuid(), reader.number(4)
        reader.kept(size)


def _read_string(reader: Reader) -> None:
    reader.number(4), reader.number(4)
    reader.kept(2 * reader.number(4))


def _some(reader: Reader, count: int, most: int) -> None:
    if count > most:
        raise reader.wrong(f"{count} of something, more than {most}")


def _remote_activation(own: Own, reader: Reader) -> bytes:
    clsid, iids = read_request(reader)
    if not iids:
        raise Refused(BAD_STUB_DATA)
    return write_response(own, iids) if clsid == CLSID else write_no_class(iids)


INTERFACE = Interface(SYNTAX, {REMOTE_ACTIVATION: _remote_activation})
