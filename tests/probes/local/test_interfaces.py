"""The local facts: parsers on listings of the three systems, and a look at real machines."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.local.interfaces import (
    gateways_in_netstat,
    gateways_in_proc_ipv6_route,
    gateways_in_proc_route,
    gateways_in_route_print,
    look,
    prefix_length,
    vpn_among,
)
from probes.observation import Address, LocalFacts

PROC_ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\tFE00000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
ppp0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
eth0\t00000000\t0100000A\t0203\t0\t0\t10\t00000000\t0\t0\t0
eth0\t00000000\t0200000A\t0002\t0\t0\t10\t00000000\t0\t0\t0
tun0\t00000000\t0108000A\t0003\t0\t0\t0\t00000080\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""

PROC_IPV6_ROUTE = """\
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
20010db8000000000000000000000001 00000400 00000003 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
fe800000000000000000000000000001 00000064 00000003 00000000 00450003    wlan0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
"""

ROUTE_PRINT = """\
===========================================================================
Schnittstellenliste
 12...00 1a 2b 3c 4d 5e ......Intel(R) Ethernet Connection
  1...........................Software Loopback Interface 1
===========================================================================

IPv4-Routentabelle
===========================================================================
Aktive Routen:
     Netzwerkziel    Netzwerkmaske          Gateway    Schnittstelle Metrik
          0.0.0.0          0.0.0.0      192.168.2.1     192.168.2.30     50
          0.0.0.0          0.0.0.0      192.168.1.1     192.168.1.23     25
          0.0.0.0          0.0.0.0   Auf Verbindung         10.8.0.2      5
          0.0.0.0        128.0.0.0         10.8.0.1         10.8.0.2      3
        127.0.0.0        255.0.0.0   Auf Verbindung         127.0.0.1    331
===========================================================================
St\ufffdndige Routen:
  Netzwerkadresse          Netzmaske  Gatewayadresse  Metrik
          0.0.0.0          0.0.0.0     192.168.9.9  Standard
===========================================================================

IPv6-Routentabelle
===========================================================================
Aktive Routen:
 If Metrik Netzwerkziel             Gateway
 12    281 ::/0                     fe80::1
 14     26 ::/0                     2001:db8::1
  1    331 ::1/128                  Auf Verbindung
 12    281 fe80::1234:5678:9abc:def0/128
                                    Auf Verbindung
===========================================================================
"""

NETSTAT = """\
Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.7.1        UGScIg                en1
default            192.168.1.1        UGScg                 en0
default            link#22            UCSIg           bridge100      !
127                127.0.0.1          UCS                   lo0
192.168.1          link#6             UCS                   en0      !

Internet6:
Destination                             Gateway                         Flags         Netif Expire
default                                 fe80::1%en0                     UGcg            en0
default                                 fe80::%utun0                    UGcIg         utun0
default                                 fe80::%utun1                    UGcIg         utun1
::1                                     ::1                             UHL             lo0
"""


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (gateways_in_proc_route, "", ()),
        (gateways_in_proc_ipv6_route, PROC_IPV6_ROUTE, ("fe80::1%wlan0", "2001:db8::1")),
        (gateways_in_proc_ipv6_route, "", ()),
        (
            gateways_in_route_print,
            ROUTE_PRINT,
            ("192.168.1.1", "192.168.2.1", "2001:db8::1", "fe80::1"),
        ),
        (gateways_in_route_print, "", ()),
        (gateways_in_netstat, NETSTAT, ("192.168.1.1", "fe80::1%en0", "192.168.7.1")),
        (gateways_in_netstat, "", ()),
    ],
)
def test_default_gateways(
    parse: Callable[[str], tuple[str, ...]], text: str, expected: tuple[str, ...]
) -> None:
    assert parse(text) == expected


def test_linux_prints_ipv4_routes_in_its_own_byte_order() -> None:
    assert gateways_in_proc_route(PROC_ROUTE, "little") == ("10.0.0.254", "192.168.1.1")
    line = "eth0 00000000 C0A80101 0003 0 0 0 00000000 0 0 0"
    assert gateways_in_proc_route(line, "big") == ("192.168.1.1",)


@pytest.mark.parametrize(
    "parse",
    [
        gateways_in_proc_route,
        gateways_in_proc_ipv6_route,
        gateways_in_route_print,
        gateways_in_netstat,
    ],
)
@given(data=st.data())
def test_any_listing_has_a_list_of_gateways(
    parse: Callable[[str], tuple[str, ...]], data: st.DataObject
) -> None:
    word = st.sampled_from(
        [
            "0.0.0.0",
            "::/0",
            "default",
            "00000000",
            "0" * 32,
            "00",
            "0003",
            "-1",
            "UG",
            "fe80::1%en0",
        ]
    )
    line = st.lists(word | st.text(max_size=34), max_size=12).map(" ".join)
    text = data.draw(st.lists(line, max_size=5).map("\n".join) | st.text())
    found = parse(text)
    assert len(found) == len(set(found))
    for gateway in found:
        assert socket.getaddrinfo(gateway.partition("%")[0], None, flags=socket.AI_NUMERICHOST)


@pytest.mark.parametrize(
    ("netmask", "expected"),
    [
        ("255.255.255.0", 24),
        ("0.0.0.0", 0),
        ("255.255.255.255", 32),
        ("ffff:ffff:ffff:ffff::", 64),
        ("255.0.255.0", None),
        ("", None),
        (None, None),
        ("nonsense", None),
    ],
)
def test_prefix_lengths(netmask: str | None, expected: int | None) -> None:
    assert prefix_length(netmask) == expected


@pytest.mark.parametrize(
    ("name", "address", "description", "vpn"),
    [
        ("tun0", "10.8.0.2", "", True),
        ("tap1", "10.8.0.2", "", True),
        ("wg0", "10.9.0.2", "", True),
        ("wg-office", "10.9.0.2", "", True),
        ("ppp0", "10.7.0.2", "", True),
        ("ipsec0", "10.7.0.2", "", True),
        ("tailscale0", "100.64.0.9", "", True),
        ("ztabcdef12", "10.147.17.2", "", True),
        ("nordlynx", "10.5.0.2", "", True),
        ("utun4", "10.8.0.2", "", True),
        ("utun0", "fe80::1%utun0", "", False),
        ("utun4", "fd00::2", "", True),
        ("OpenVPN TAP-Windows6", "10.8.0.2", "", True),
        ("Ethernet 3", "10.8.0.2", "TAP-Windows Adapter V9", True),
        ("Ethernet 4", "10.8.0.2", "Cisco AnyConnect Virtual Miniport Adapter", True),
        ("office", "10.8.0.2", "WireGuard Tunnel", True),
        ("Ethernet 3", "169.254.7.7", "TAP-Windows Adapter V9", False),
        ("eth0", "192.168.1.5", "", False),
        ("wlan0", "192.168.1.5", "", False),
        ("wwan0", "10.0.0.2", "", False),
        ("tunnelbroker", "10.0.0.2", "", False),
        ("en0", "192.168.1.5", "", False),
        ("Ethernet", "192.168.1.5", "Intel(R) Ethernet Connection", False),
    ],
)
def test_vpn_interfaces(name: str, address: str, description: str, vpn: bool) -> None:
    found = vpn_among([Address(interface=name, address=address)], {name: description})
    assert found == ((name,) if vpn else ())


def test_a_vpn_with_several_addresses_is_one() -> None:
    addresses = [Address(interface="wg0", address=a) for a in ("fe80::1", "10.0.0.2", "fd00::2")]
    assert vpn_among(addresses) == ("wg0",)


def test_a_look_at_this_machine() -> None:
    began = time.monotonic()
    facts = look(3.5, {"https": "http://proxy.example:3128"})
    assert (facts.id, facts.at_s) == ("local", 3.5)
    assert 0 <= facts.took_s <= time.monotonic() - began
    assert facts.hostname == socket.gethostname()
    assert facts.system
    assert facts.proxies == {"https": "http://proxy.example:3128"}
    assert not {"addresses", "interfaces", "vpn_interfaces"} & set(facts.unavailable)
    known = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    assert {a.interface for a in facts.addresses} <= known
    assert "127.0.0.1" not in {a.address for a in facts.addresses}
    assert msgspec.json.decode(msgspec.json.encode(facts), type=LocalFacts) == facts


def test_a_fact_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_if_addrs", broken)
    facts = look(0.0)
    assert "addresses" in facts.unavailable
    assert facts.addresses == ()
    assert facts.hostname


# A machine of our own: a wire with a router at its end, and a second one called as a VPN is.
NAMESPACE = """
set -e
ip link set lo up
ip link add lan0 type veth peer name far0
ip link add wg0 type veth peer name far1
for link in lan0 far0 wg0 far1; do ip link set $link up; done
ip addr add 192.0.2.5/24 dev lan0
ip -6 addr add 2001:db8::5/64 dev lan0 nodad
ip addr add 10.9.0.2/32 dev wg0
ip route add default via 192.0.2.9 metric 50
ip route add default via 192.0.2.1 metric 5
ip -6 route add default via fe80::9 dev lan0
exec "$0" -c '
import msgspec
from probes.local.interfaces import look
print(msgspec.json.encode(look(0.0)).decode())
'
"""


def _unshare() -> list[str] | None:
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return None
    command = ["unshare", "--user", "--map-root-user", "--net"]
    probe = subprocess.run(
        [*command, "ip", "link", "add", "probe0", "type", "veth"], capture_output=True, check=False
    )
    return command if probe.returncode == 0 else None


def test_a_look_at_a_machine_of_our_own() -> None:
    command = _unshare()
    if command is None:
        pytest.skip("needs Linux with network namespaces for users")
    done = subprocess.run(
        [*command, "sh", "-c", NAMESPACE, sys.executable],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["gateways"] == ["192.0.2.1", "192.0.2.9", "fe80::9%lan0"]
    assert facts["vpn_interfaces"] == ["wg0"]
    assert {"interface": "lan0", "address": "192.0.2.5", "prefix": 24} in facts["addresses"]
    assert {"interface": "lan0", "address": "2001:db8::5", "prefix": 64} in facts["addresses"]
