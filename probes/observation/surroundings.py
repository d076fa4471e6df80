"""This computer, its gateways and its name servers."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.observation.base import Observation


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One address of one network interface; ``prefix`` is its length in bits."""

    interface: str
    address: str
    prefix: int | None = None


class LocalFacts(Observation, frozen=True, kw_only=True, tag="local"):
    """This computer's own network settings, as the operating system tells them."""

    hostname: str
    system: str
    addresses: tuple[Address, ...] = ()
    gateways: tuple[str, ...] = ()  # default routes, the preferred one first
    dns_servers: tuple[str, ...] = ()
    vpn_interfaces: tuple[str, ...] = ()
    # scheme -> URL without credentials; msgspec copies the empty default
    proxies: dict[str, str] = {}  # noqa: RUF012
    unavailable: tuple[str, ...] = ()  # facts this system would not tell


class NameLookup(Observation, frozen=True, kw_only=True, tag="dns"):
    """What the echo server's name resolves to, and why not.

    ``outcome`` speaks of the operating system's resolver, which applications
    use; ``dns_outcome`` is what the name servers say when asked directly.
    ``invented`` holds the address given for a name that cannot exist
    (RFC 6761 section 6.4, ``.invalid``): a resolver that invents answers.
    """

    name: str
    outcome: Literal["resolved", "no-such-name", "no-address", "failed", "silent"]
    addresses: tuple[str, ...] = ()
    dns_outcome: Literal[
        "resolved", "no-such-name", "no-address", "failed", "silent", "untested"
    ] = "untested"
    dns_addresses: tuple[str, ...] = ()
    service: tuple[str, ...] = ()  # SRV _netcheck._tcp targets as host:port (RFC 2782)
    invented: str | None = None
    detail: str = ""


PortalOutcome = Literal["redirected", "login-required", "answered", "refused", "silent"]


class Portal(Observation, frozen=True, kw_only=True, tag="portal"):
    """What answers plain HTTP at the server's address when the echo server cannot be reached."""

    outcome: PortalOutcome
    location: str = ""


class PortMapper(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A gateway that says it can map ports.  Nothing was mapped."""

    protocol: Literal["upnp-igd", "nat-pmp", "pcp"]
    gateway: str
    external_address: str | None = None
    detail: str = ""


class PortMappers(Observation, frozen=True, kw_only=True, tag="port-mappers"):
    """Which gateways answered (UPnP IGD, RFC 6886, RFC 6887)."""

    found: tuple[PortMapper, ...] = ()
    asked: tuple[str, ...] = ()
    untested: str = ""


class Nat64(Observation, frozen=True, kw_only=True, tag="nat64"):
    """Whether the resolver makes IPv6 addresses for IPv4-only names (RFC 7050)."""

    outcome: Literal["found", "none", "failed"]
    prefixes: tuple[str, ...] = ()
    detail: str = ""
