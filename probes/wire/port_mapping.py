"""The questions by which a gateway shows that it could map ports, and its answers (pure).

NAT-PMP: RFC 6886 section 3.2.  PCP: RFC 6887 sections 7 and 14.1.  SSDP, by which UPnP
devices are found: UPnP Device Architecture 1.1, section 1.3.  None of the questions has
anything mapped.
"""

from __future__ import annotations

import ipaddress
import struct

import msgspec

from probes.errors import WireError

SSDP_GROUP = "239.255.255.250"

_NAT_PMP_ANSWER = struct.Struct("!BBHI4s")
_PCP_HEAD = struct.Struct("!BBBBII")
_PCP_SIZE_MIN = 24
_PCP_SIZE_MAX = 1100  # RFC 6887 section 7
_ANSWER = 0x80  # the R bit of the operation's byte
_NAT_PMP, _PCP = 0, 2  # versions
_UNSUPPORTED_VERSION = 1
_ANNOUNCE_LIFETIME_S = 0

SSDP_SIZE_MAX = 2048
"""A longer answer is none: a URL and a dozen short headers fit in a quarter of this."""

LOCATION_SIZE_MAX = 512
"""A description's URL is an address, a port and a file name."""

NAT_PMP_RESULTS = {
    0: "",
    1: "unsupported version",
    2: "not authorised: port mapping is switched off",
    3: "network failure: the gateway has no address itself",
    4: "out of resources",
    5: "unsupported operation",
}

PCP_RESULTS = {
    0: "",
    1: "unsupported version",
    2: "not authorised",
    3: "malformed request",
    4: "unsupported operation",
    5: "unsupported option",
    6: "malformed option",
    7: "network failure",
    8: "no resources",
    9: "unsupported protocol",
    10: "quota exceeded",
    11: "cannot provide external",
    12: "address mismatch: another NAT is in between",
    13: "excessive remote peers",
}


class NatPmpAnswer(msgspec.Struct, frozen=True):
    """``external_address`` is None where the gateway names none; ``detail`` says why."""

    external_address: str | None
    detail: str = ""


class PcpAnswer(msgspec.Struct, frozen=True):
    """The gateway speaks PCP; ``detail`` is empty if it also took the question well."""

    detail: str = ""


def external_address_request() -> bytes:
    """NAT-PMP: what is your public address?  (RFC 6886 section 3.2)"""
    return bytes((_NAT_PMP, 0))


def announce_request(client: str) -> bytes:
    """PCP: are you there?  ``client`` is the IPv4 address that the packet leaves with
    (RFC 6887 sections 7.1, 14.1.1).  Raises ValueError if it is none."""
    mapped = b"\0" * 10 + b"\xff\xff" + ipaddress.IPv4Address(client).packed
    return struct.pack("!BBHI", _PCP, 0, 0, _ANNOUNCE_LIFETIME_S) + mapped


def read(data: bytes) -> NatPmpAnswer | PcpAnswer:
    """Read an answer to one of these requests.  Raises WireError for anything else."""
    if len(data) < 4:
        raise WireError("port mapping", "shorter than any answer")
    version, operation = data[0], data[1]
    if operation != _ANSWER:
        raise WireError("port mapping operation", f"{operation} answers no question of ours")
    return _read_nat_pmp(data) if version == _NAT_PMP else _read_pcp(data)


def _read_nat_pmp(data: bytes) -> NatPmpAnswer:
    result = int.from_bytes(data[2:4], "big")
    if result == _UNSUPPORTED_VERSION:
        # So answers one that speaks NAT-PMP alone to a question in PCP (RFC 6887 appendix A).
        raise WireError("NAT-PMP result", "it is no answer to our NAT-PMP question")
    if result:
        return NatPmpAnswer(None, NAT_PMP_RESULTS.get(result, f"result {result}"))
    if len(data) != _NAT_PMP_ANSWER.size:
        raise WireError("NAT-PMP answer", f"{len(data)} bytes are not {_NAT_PMP_ANSWER.size}")
    address = ipaddress.IPv4Address(_NAT_PMP_ANSWER.unpack(data)[4])
    if address.is_unspecified:
        return NatPmpAnswer(None, "the gateway names no address")
    return NatPmpAnswer(str(address))


def _read_pcp(data: bytes) -> PcpAnswer:
    if not _PCP_SIZE_MIN <= len(data) <= _PCP_SIZE_MAX or len(data) % 4:
        raise WireError("PCP answer", f"{len(data)} bytes are no PCP message")
    version, _, _, result, _, _ = _PCP_HEAD.unpack_from(data)
    if version != _PCP and result != _UNSUPPORTED_VERSION:
        raise WireError("PCP version", f"{version} was not asked for")
    return PcpAnswer(PCP_RESULTS.get(result, f"result {result}"))


# ---- SSDP ----

_GATEWAY = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"


def search_request(host: str, port: int) -> bytes:
    """Ask for Internet gateways: all of them at the group, or one at its own address.  The
    answer to the latter comes at once, so that it needs no MX (section 1.3.2)."""
    lines = [
        "M-SEARCH * HTTP/1.1",
        f"HOST: {host}:{port}",
        'MAN: "ssdp:discover"',
        *(["MX: 1"] if host == SSDP_GROUP else []),
        f"ST: {_GATEWAY}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def read_search_answer(data: bytes) -> str:
    """The URL of the gateway's description, as it names it.  Raises WireError."""
    if len(data) > SSDP_SIZE_MAX:
        raise WireError("SSDP answer", "too long")
    try:
        head, *lines = data.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise WireError("SSDP answer", "bytes that are no text") from None
    if not head.startswith("HTTP/1.") or head.split(" ")[1:2] != ["200"]:
        raise WireError("SSDP answer", "no status line with 200")
    headers = {
        name.strip().lower(): value.strip()
        for name, separator, value in (line.partition(":") for line in lines)
        if separator
    }
    if not headers.get("st", "").startswith(_GATEWAY.removesuffix("1")):
        raise WireError("SSDP answer", "not from an Internet gateway")
    location = headers.get("location", "")
    if not location or len(location) > LOCATION_SIZE_MAX or not location.isprintable():
        raise WireError("SSDP location", "no URL")
    return location
