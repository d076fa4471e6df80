"""Another's DCE RPC, typed as far as the tests use it: a client and a reader we did not write."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from probes.wire.frame import Endpoint

# Nothing of it is typed.
dcomrt: Any = import_module("impacket.dcerpc.v5.dcomrt")
epm: Any = import_module("impacket.dcerpc.v5.epm")
mgmt: Any = import_module("impacket.dcerpc.v5.mgmt")
rpcrt: Any = import_module("impacket.dcerpc.v5.rpcrt")
transport: Any = import_module("impacket.dcerpc.v5.transport")
uuid: Any = import_module("impacket.uuid")

DCERPCException: type[Exception] = rpcrt.DCERPCException
PATIENCE_S = 5  # on loopback


def connection(at: Endpoint) -> Any:
    """To a server; not yet connected."""
    made = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{at.address}[{at.port}]")
    made.set_connect_timeout(PATIENCE_S)
    return made.get_dce_rpc()


@contextmanager
def connected(at: Endpoint) -> Iterator[Any]:
    dce = connection(at)
    dce.connect()
    try:
        yield dce
    finally:
        dce.disconnect()


def stub(message: bytes) -> bytes:
    """The parameters of a request or a response."""
    kind = rpcrt.MSRPCHeader(message)["type"]
    head = {
        rpcrt.MSRPC_REQUEST: rpcrt.MSRPCRequestHeader,
        rpcrt.MSRPC_RESPONSE: rpcrt.MSRPCRespHeader,
    }
    data: bytes = head[kind](message)["pduData"]
    return data


def written(call: Any, padding: Iterable[int] = ()) -> bytes:
    """A call's parameters as they are sent, with zeros where it pads with anything."""
    data = bytearray(call.getData())
    for at in padding:
        data[at] = 0
    return bytes(data)


def tower(octets: Any) -> tuple[str, str, Endpoint]:
    """The interface, its version, and where it is."""
    read = epm.EPMTower(b"".join(octets))
    floors = read["Floors"]
    version = f"{floors[0]['MajorVersion']}.{floors[0]['MinorVersion']}"
    port = int(epm.EPMPortAddr(floors[3].getData())["IpPort"])
    address = epm.EPMHostAddr(floors[4].getData())["Ip4addr"]
    return (
        uuid.bin_to_string(floors[0]["InterfaceUUID"]).lower(),
        version,
        Endpoint(socket.inet_ntoa(address), port),
    )


def bindings(entries: int, offset: int, words: bytes) -> tuple[list[str], list[int]]:
    """The string bindings and the security services of a DUALSTRINGARRAY."""
    assert len(words) == 2 * entries
    strings, security = words[: 2 * offset], words[2 * offset :]
    texts: list[str] = []
    while strings[:2] != b"\0\0":
        one = dcomrt.STRINGBINDING(strings)
        assert one["wTowerId"] == dcomrt.TOWERID_DOD_TCP
        texts.append(one["aNetworkAddr"].rstrip("\0"))
        strings = strings[len(one) :]
    assert strings == b"\0\0"
    services = [dcomrt.SECURITYBINDING(security)["wAuthnSvc"]]  # it miscounts an empty name
    return texts, services
