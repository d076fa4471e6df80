"""The probes of the local network against a real miniupnpd and a real resolver."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.lab.description import NAT64_HOSTS, PUBLIC_OF_GATEWAY
from tests.lab.network import Dns, Lab, Network

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

LOOK = """
import asyncio, sys, time, msgspec
from probes.local import nat64, port_mapping
from probes.path import Path
path = Path(server_address="198.51.100.5", local_address=sys.argv[1], began=time.monotonic())
async def look():
    if sys.argv[2:]:
        return await port_mapping.look(path, tuple(sys.argv[2:]))
    return await nat64.look(path.now)
print(msgspec.json.encode(asyncio.run(look())).decode())
"""


def look(lab: Lab, *gateways: str) -> Any:
    argv = [sys.executable, "-c", LOOK, lab.network.client, *gateways]
    done = lab.run("client", argv)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_miniupnpd_is_found_by_all_three_protocols() -> None:
    with Lab(Network(miniupnpd=True, dns=None)) as lab:
        router = lab.network.router
        seen = look(lab, router)
        assert seen["found"] == [
            {"protocol": "nat-pmp", "gateway": router, "external_address": PUBLIC_OF_GATEWAY},
            {"protocol": "pcp", "gateway": router},
            {"protocol": "upnp-igd", "gateway": router, "external_address": PUBLIC_OF_GATEWAY},
        ]
        assert seen["took_s"] < 1.5


def test_the_multicast_group_finds_a_gateway_that_no_route_names() -> None:
    with Lab(Network(miniupnpd=True, dns=None)) as lab:
        seen = look(lab, lab.network.router.rpartition(".")[0] + ".77")
        assert [(m["protocol"], m["gateway"]) for m in seen["found"]] == [
            ("upnp-igd", lab.network.router)
        ]


def test_behind_a_carrier_the_gateway_knows_no_public_address() -> None:
    with Lab(Network(miniupnpd=True, carrier=True, dns=None)) as lab:
        found = {m["protocol"]: m for m in look(lab, lab.network.router)["found"]}
        assert found.keys() == {"nat-pmp", "pcp", "upnp-igd"}
        assert "external_address" not in found["nat-pmp"]
        assert "no address itself" in found["nat-pmp"]["detail"]
        assert "external_address" not in found["upnp-igd"]


def test_nothing_is_mapped() -> None:
    with Lab(Network(miniupnpd=True, dns=None)) as lab:
        before = lab.run("router", ["nft", "list", "ruleset"]).stdout
        look(lab, lab.network.router)
        assert lab.run("router", ["nft", "list", "ruleset"]).stdout == before


def test_a_plain_router_maps_nothing() -> None:
    with Lab(Network(dns=None)) as lab:
        seen = look(lab, lab.network.router)
        assert (seen["found"], seen["asked"]) == ([], [lab.network.router])
        assert seen["took_s"] < 1


def test_nat64_is_known_by_its_name() -> None:
    with Lab(Network(ipv6=True, dns=Dns(hosts=NAT64_HOSTS))) as lab:
        seen = look(lab)
        assert (seen["outcome"], seen["prefixes"]) == ("found", ["64:ff9b::/96"])
    with Lab(Network(ipv6=True, dns=Dns())) as lab:
        assert look(lab)["outcome"] == "none"
