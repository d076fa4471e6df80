"""Who may be called, and where: decided before anything is sent (pure).

Only an address that has proved to be the client's own, and only ports that this session
declared, from which it proved it, or which a message of its own names.
"""

from __future__ import annotations

import ipaddress

from netcheck.server.session import Session, canonical
from probes.wire import frame
from probes.wire.messages import CallRequest, Refusal


def forbidden(target: str, own: str) -> str | None:
    """Why ``target`` is never called from a server at ``own``, or None (RFC 6890)."""
    address, here = ipaddress.ip_address(target), ipaddress.ip_address(own)
    if address.version != here.version:
        return "another IP version than the control connection's"
    if address.is_multicast or address.is_unspecified or target == "255.255.255.255":
        return "not a single host's address"
    if address.is_loopback and not here.is_loopback:
        return "loopback, and the server is not"
    if address.is_link_local and not here.is_link_local:
        return "link-local, and the server is not"
    if isinstance(address, ipaddress.IPv4Address) and address.is_reserved:
        return "reserved"
    return None


def refuse(
    session: Session, request: CallRequest, other: str | None = None, *, announced: bool = False
) -> Refusal | None:
    """Whether ``request`` may be carried out.  ``other`` is the server's other address;
    ``announced``: a message of the session's says that the client is at that port."""
    try:
        target = canonical(request.address)
    except ValueError:
        return Refusal(id=request.id, reason="bad-request", detail="not an address")
    if len(request.ports) != len(request.numbers):
        return Refusal(
            id=request.id, reason="bad-request", detail="ports and numbers differ in length"
        )
    if len(set(request.ports)) != len(request.ports):
        return Refusal(id=request.id, reason="bad-request", detail="a port is named twice")
    if target not in session.proven:
        return Refusal(
            id=request.id, reason="not-proven", detail="no exchange came from that address"
        )
    why = forbidden(target, session.local_address)
    if why:
        return Refusal(id=request.id, reason="forbidden-address", detail=why)
    if request.transport == "udp" and (request.from_other or request.over_open):
        return Refusal(id=request.id, reason="bad-request", detail="not over UDP")
    if request.from_other and request.over_open:
        return Refusal(
            id=request.id, reason="bad-request", detail="an open connection has its addresses"
        )
    if request.from_other and other is None:
        return Refusal(
            id=request.id, reason="bad-request", detail="the server has no other address"
        )
    for port in request.ports:
        if request.transport == "tcp" and frame.Endpoint(target, port) in session.endpoints:
            continue
        if request.over_open:
            return Refusal(
                id=request.id, reason="not-proven", detail="no connection is open from there"
            )
        if port not in session.declared[request.transport] and not announced:
            return Refusal(id=request.id, reason="not-declared", detail="a port was not declared")
    if len(request.ports) * len(request.offsets_ms) > session.calls_left:
        return Refusal(id=request.id, reason="limit", detail="this session's calls are used up")
    return None
