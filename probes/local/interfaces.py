"""This computer's own network settings: addresses, gateways, name servers, VPNs.

Each fact comes from the operating system alone, without a packet.  A fact that
the system will not tell is named in ``unavailable`` and costs none of the others.
"""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from probes.observation import Address, LocalFacts

T = TypeVar("T")

ROUTES_PATIENCE_S = 5.0
"""The route listing takes milliseconds; a busy computer that starts a program takes seconds."""

_ROUTE_UP, _ROUTE_GATEWAY, _ROUTE_REJECT = 0x1, 0x2, 0x200  # linux/route.h, ipv6_route.h

_UPSTREAM_SERVERS = Path("/run/systemd/resolve/resolv.conf")
_STUB_SERVERS = {"127.0.0.53", "127.0.0.54"}  # systemd-resolved, on this computer itself

# Windows: network adapters, in the registry's classes of devices.
_ADAPTERS = "{4D36E972-E325-11CE-BFC1-08002BE10318}"
_CONTROL = r"SYSTEM\CurrentControlSet\Control"

_VPN_DEVICE = re.compile(
    r"(tun|tap|utun|wg|ppp|ipsec|vti|xfrm|zt|feth|tailscale|nordlynx|nordtun|proton|mullvad"
    r"|cscotun|gpd|vpn)([0-9_-].*)?|zt[a-z0-9]{8}|wg-.*",
    re.IGNORECASE,
)
_VPN_PRODUCT = re.compile(
    r"wireguard|wintun|tap-windows|openvpn|anyconnect|cisco secure client|tailscale|zerotier"
    r"|nordlynx|protonvpn|mullvad|globalprotect|pangp|fortinet|fortissl|juniper|pulse secure"
    r"|check point virtual|sonicwall|softether|hamachi|\bvpn\b",
    re.IGNORECASE,
)


def look(at_s: float, proxies: Mapping[str, str] | None = None) -> LocalFacts:
    """Ask the operating system; blocks shortly, so call it in a thread.

    ``at_s`` is the time of the call in seconds since the check began.
    ``proxies`` are those of :mod:`probes.local.proxy`, fit to be shown.
    """
    began = time.monotonic()
    unavailable: list[str] = []

    def told(fact: str, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except Exception:  # files, registries and programs fail in their own ways each
            unavailable.append(fact)
            return otherwise

    hostname = told("hostname", socket.gethostname, "")
    system = told("system", _system, platform.system())
    up: frozenset[str] | None = told("interfaces", _interfaces_up, None)
    addresses: tuple[Address, ...] = told("addresses", lambda: _addresses(up), ())
    return LocalFacts(
        id="local",
        at_s=at_s,
        hostname=hostname,
        system=system,
        addresses=addresses,
        gateways=told("gateways", _gateways, ()),
        dns_servers=told("dns_servers", _dns_servers, ()),
        vpn_interfaces=told("vpn_interfaces", lambda: vpn_among(addresses, _descriptions()), ()),
        proxies=dict(proxies or {}),
        unavailable=tuple(unavailable),
        took_s=time.monotonic() - began,
    )


def vpn_among(
    addresses: Iterable[Address], descriptions: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """The interfaces that carry a VPN, by name or by what their driver calls itself.

    An interface counts only with an address that reaches beyond its link:
    macOS keeps idle ``utun`` interfaces that have nothing else.
    """
    described = descriptions or {}
    in_use = dict.fromkeys(a.interface for a in addresses if not _is_link_local(a.address))
    return tuple(
        name
        for name in in_use
        if _VPN_DEVICE.fullmatch(name)
        or _VPN_PRODUCT.search(name)
        or _VPN_PRODUCT.search(described.get(name, ""))
    )


def gateways_in_proc_route(
    text: str, byteorder: Literal["little", "big"] = sys.byteorder
) -> tuple[str, ...]:
    """IPv4 default gateways of Linux' ``/proc/net/route``, which prints the machine's own words."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines():
        fields = line.split()
        try:
            destination, gateway, flags, mask = (int(fields[i], 16) for i in (1, 2, 3, 7))
            metric = int(fields[6])
            address = ipaddress.IPv4Address(gateway.to_bytes(4, byteorder))
        except (IndexError, ValueError, OverflowError):
            continue
        if destination == mask == 0 and _leads_to_gateway(flags):
            found.append((metric, str(address)))
    return _by_metric(found)


def gateways_in_proc_ipv6_route(text: str) -> tuple[str, ...]:
    """IPv6 default gateways of Linux' ``/proc/net/ipv6_route``; all its numbers are hexadecimal."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines():
        fields = line.split()
        try:
            destination, length, gateway, metric, flags = (
                int(fields[i], 16) for i in (0, 1, 4, 5, 8)
            )
            address = ipaddress.IPv6Address(gateway.to_bytes(16, "big"))
            device = fields[9]
        except (IndexError, ValueError, OverflowError):
            continue
        if destination == length == 0 and _leads_to_gateway(flags):
            scope = f"%{device}" if address.is_link_local else ""
            found.append((metric, f"{address}{scope}"))
    return _by_metric(found)


def gateways_in_route_print(text: str) -> tuple[str, ...]:
    """Default gateways of Windows' ``route print``.

    Its words are translated, so only the shape of the rows tells the tables
    apart: destination, mask, gateway, interface, metric for IPv4; interface,
    metric, destination, gateway for IPv6.  The list of persistent routes has
    neither shape.
    """
    four: list[tuple[int, str]] = []
    six: list[tuple[int, str]] = []
    for line in text.splitlines():
        match line.split():
            case ["0.0.0.0", "0.0.0.0", gateway, source, metric] if (
                _version(gateway) == 4 and _version(source) == 4 and _is_number(metric)
            ):
                four.append((int(metric), gateway))
            case [interface, metric, "::/0", gateway] if (
                _version(gateway) == 6 and _is_number(interface) and _is_number(metric)
            ):
                six.append((int(metric), gateway))
    return _by_metric(four) + _by_metric(six)


def gateways_in_netstat(text: str) -> tuple[str, ...]:
    """Default gateways of macOS' ``netstat -rn``.

    The flag I marks a route for one interface only, which is second choice.
    A gateway ``link#12`` or ``fe80::%utun0`` is an interface, not a router.
    """
    found: list[tuple[int, str]] = []
    for line in text.splitlines():
        match line.split():
            case ["default", gateway, flags, _device, *_] if _version(gateway) is not None:
                address = ipaddress.ip_address(gateway.partition("%")[0])
                if "G" in flags and int(address) not in (0, 0xFE80 << 112):
                    found.append((int("I" in flags), gateway))
    return _by_metric(found)


def prefix_length(netmask: str | None) -> int | None:
    """The bits of a netmask, IPv4 or IPv6; None for what is no netmask."""
    try:
        mask = ipaddress.ip_address(netmask or "")
    except ValueError:
        return None
    length = int(mask).bit_count()
    contiguous = ((1 << length) - 1) << (mask.max_prefixlen - length)
    return length if int(mask) == contiguous else None


def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    kernel = f"{platform.system()} {platform.release()}"
    if sys.platform == "linux":
        try:
            return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
        except (OSError, KeyError):
            return kernel
    return kernel


def _interfaces_up() -> frozenset[str]:
    import psutil

    return frozenset(name for name, stats in psutil.net_if_stats().items() if stats.isup)


def _addresses(up: Collection[str] | None) -> tuple[Address, ...]:
    """The addresses of the interfaces that are up (of all if that is unknown), without loopback."""
    import psutil

    return tuple(
        Address(interface=name, address=one.address, prefix=prefix_length(one.netmask))
        for name, assigned in psutil.net_if_addrs().items()
        if up is None or name in up
        for one in assigned
        if one.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(one.address)
    )


def _gateways() -> tuple[str, ...]:
    if sys.platform == "linux":
        four = gateways_in_proc_route(Path("/proc/net/route").read_text(encoding="ascii"))
        try:
            six = Path("/proc/net/ipv6_route").read_text(encoding="ascii")
        except FileNotFoundError:  # a kernel without IPv6
            return four
        return four + gateways_in_proc_ipv6_route(six)
    if sys.platform == "win32":
        windows = os.environ.get("SYSTEMROOT", r"C:\Windows")
        return gateways_in_route_print(_output([rf"{windows}\System32\route.exe", "print"]))
    return gateways_in_netstat(_output(["/usr/sbin/netstat", "-rn"]))


def _output(command: list[str]) -> str:
    """What a program of the system prints.  Raises OSError or subprocess.SubprocessError."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW  # a window must not flash up beside the GUI
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=ROUTES_PATIENCE_S,
        check=True,
        creationflags=flags,
    )
    # Translated words come in a code page of their own; the numbers are ASCII in all of them.
    return done.stdout.decode("ascii", errors="replace")


def _dns_servers() -> tuple[str, ...]:
    import dns.resolver

    servers = [str(server) for server in dns.resolver.Resolver().nameservers]
    if sys.platform == "linux" and _STUB_SERVERS.issuperset(servers):
        # The stub's own servers are what a helpdesk wants to know.
        try:
            upstream = dns.resolver.Resolver(filename=_UPSTREAM_SERVERS).nameservers
        except dns.resolver.NoResolverConfiguration:
            upstream = []
        servers = [str(server) for server in upstream] or servers
    return tuple(dict.fromkeys(servers))


def _descriptions() -> dict[str, str]:
    """What the drivers call themselves, by interface.  Only Windows names interfaces so freely
    that it is needed: a WireGuard tunnel can be called ``office`` there.  Raises OSError."""
    found: dict[str, str] = {}
    if sys.platform == "win32":
        import winreg

        machine = winreg.HKEY_LOCAL_MACHINE
        with winreg.OpenKey(machine, rf"{_CONTROL}\Class\{_ADAPTERS}") as adapters:
            for index in range(winreg.QueryInfoKey(adapters)[0]):
                try:
                    with winreg.OpenKey(adapters, winreg.EnumKey(adapters, index)) as adapter:
                        description, _ = winreg.QueryValueEx(adapter, "DriverDesc")
                        guid, _ = winreg.QueryValueEx(adapter, "NetCfgInstanceId")
                    where = rf"{_CONTROL}\Network\{_ADAPTERS}\{guid}\Connection"
                    with winreg.OpenKey(machine, where) as connection:
                        name, _ = winreg.QueryValueEx(connection, "Name")
                except OSError:  # some keys are the system's own, some adapters have no connection
                    continue
                found[str(name)] = str(description)
    return found


def _leads_to_gateway(flags: int) -> bool:
    wanted = _ROUTE_UP | _ROUTE_GATEWAY
    return flags & (wanted | _ROUTE_REJECT) == wanted


def _by_metric(found: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(gateway for _, gateway in sorted(found, key=lambda f: f[0])))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _version(text: str) -> int | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0]).version
    except ValueError:
        return None


def _is_link_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_link_local
    except ValueError:
        return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
