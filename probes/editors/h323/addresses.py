"""Transport addresses in H.225.0 and in H.245, and where an end says that it waits."""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple

from probes.editors.contract import READINGS_MAX, Carried, Own, Transport
from probes.editors.h323.per import Value
from probes.wire.frame import Endpoint

T120 = 1503
"""Where T.120 waits (RFC 1006 over the port that IANA gave to imtc-mcs; fact N2)."""

_REACHED_BY: dict[str, Transport] = {
    "h245Address": "tcp",
    "mediaChannel": "udp",
    "mediaControlChannel": "udp",
    "separateStack": "tcp",
}
"""The fields that the other end goes to.  A call signalling address is for calls to come."""

_NOWHERE = Endpoint("0.0.0.0", 0)


class Media(NamedTuple):
    """Where an end waits for one kind of media."""

    rtp: Endpoint
    rtcp: Endpoint


def media(own: Own, by: Literal["h225", "h245"]) -> dict[str, Media]:
    """The ports of audio and video: RTP at even ports, RTCP at the odd ones after them
    (RFC 3550 section 11).

    Eight follow ``listening``: four that fast connect names and then four that H.245 does, in
    each the pair of audio before that of video.  Where there are no eight above, they are
    below.  One set for both would not do: Linux's editor takes ports that one connection has
    named for another's, drops the message or gives two media one port.
    """
    first = own.listening.port + 2 & ~1
    if first + 7 > 0xFFFF:
        first = own.listening.port - 8 & ~1
    if by == "h245":
        first += 4
    at = [Endpoint(own.listening.address, first + n) for n in range(4)]
    return {"audioData": Media(at[0], at[1]), "videoData": Media(at[2], at[3])}


def t120(own: Own) -> Endpoint:
    return Endpoint(own.listening.address, T120)


def h225(endpoint: Endpoint) -> Value:
    """A TransportAddress of H.225.0 (clause 7.6)."""
    packed = _packed(endpoint)
    kind = "ipAddress" if len(packed) == 4 else "ip6Address"
    return kind, {"ip": packed, "port": endpoint.port}


def h245(endpoint: Endpoint) -> Value:
    """A TransportAddress of H.245."""
    packed = _packed(endpoint)
    kind = "iPAddress" if len(packed) == 4 else "iP6Address"
    return "unicastAddress", (kind, {"network": packed, "tsapIdentifier": endpoint.port})


def taken_out(value: Value, prefix: str = "") -> tuple[Value, tuple[Carried, ...]]:
    """``value`` with all addresses replaced by one that is nowhere, and those that were there.

    A field is called by the name of the member that has it, after ``prefix``.
    """
    found: list[Carried] = []

    def walk(part: Value, name: str) -> Value:
        for read, write in ((_of_h225, h225), (of_h245, h245)):
            if len(found) < READINGS_MAX and (endpoint := read(part)):
                found.append(
                    Carried(
                        field=prefix + name,
                        address=endpoint.address,
                        port=endpoint.port,
                        reached_by=_REACHED_BY.get(name),
                    )
                )
                return write(_NOWHERE)
        match part:
            case dict():
                return {key: walk(member, _NAMES.get(key) or key) for key, member in part.items()}
            case list():
                return [walk(element, name) for element in part]
            case (kind, chosen):
                return kind, walk(chosen, name)
        return part

    masked = walk(value, "")
    return masked, tuple(found)


_NAMES: dict[str, str] = {"networkAddress": "separateStack"}
"""What is called by another name than its own: that one says what the address is for."""


def _of_h225(part: Value) -> Endpoint | None:
    match part:
        case (("ipAddress" | "ip6Address"), {"ip": bytes(packed), "port": int(port)}):
            return _endpoint(packed, port)
    return None


def of_h245(part: Value) -> Endpoint | None:
    """What ``h245`` made; None for anything else."""
    match part:
        case (
            "unicastAddress",
            (
                ("iPAddress" | "iP6Address"),
                {"network": bytes(packed), "tsapIdentifier": int(port)},
            ),
        ):
            return _endpoint(packed, port)
    return None


def _endpoint(packed: bytes, port: int) -> Endpoint:
    return Endpoint(str(ipaddress.ip_address(packed)), port)


def _packed(endpoint: Endpoint) -> bytes:
    return ipaddress.ip_address(endpoint.address.partition("%")[0]).packed
