"""IObjectExporter: whether an object resolver lives, and where ([MS-DCOM] section 3.1.2.5.1)."""

from __future__ import annotations

from probes.wire.dce.activation import VERSION
from probes.wire.dce.bind import Syntax
from probes.wire.dce.ends import Interface
from probes.wire.dce.ndr import Reader, Writer
from probes.wire.dce.object_reference import string_binding, write_dual_string_array
from probes.wire.end import Own

SYNTAX = Syntax.of("99fcfec4-5260-101b-bbcb-00aa0021347a", 0, 0)
RESOLVE_OXID, SIMPLE_PING, COMPLEX_PING, SERVER_ALIVE, RESOLVE_OXID2, SERVER_ALIVE2 = range(6)


def _server_alive(own: Own, reader: Reader) -> bytes:
    return bytes(4)


def _server_alive2(own: Own, reader: Reader) -> bytes:
    """Its bindings have no ports (section 3.1.2.5.1.6)."""
    writer = Writer()
    writer.number(2, *VERSION)
    writer.pointer()
    write_dual_string_array(writer, string_binding(own.socket, with_port=False))
    writer.number(4, 0, 0)  # pReserved, status
    return writer.written()


INTERFACE = Interface(
    SYNTAX,
    {
        RESOLVE_OXID: None,
        SIMPLE_PING: None,
        COMPLEX_PING: None,
        SERVER_ALIVE: _server_alive,
        RESOLVE_OXID2: None,
        SERVER_ALIVE2: _server_alive2,
    },
)
