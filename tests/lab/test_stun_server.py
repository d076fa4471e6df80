"""Our STUN server, asked through real NATs by clients that we did not write.

Each client is held to the verdict that it should give for the network.  The router drops what
comes to itself unasked: without that rule pystun3 is known to call a masquerading router
symmetric, whichever server it asks, because a filtering test spoils its own next question.

The clients wait for what cannot come, up to 16 s each, so all of them run at the same time.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from probes.wire import stun
from probes.wire.frame import Endpoint
from tests.lab.description import PUBLIC, SERVER, SERVER_2
from tests.lab.network import Forward, Lab, Network
from tests.lab.scenarios import served
from tests.lab.traffic import silent, udp

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

ENDED_S = 60.0
"""pystun3 gives up after 16 s; a machine that runs another test suite may take its time."""

NETWORKS = {
    "masquerade": Network(dns=None),
    "random": Network(mapping="random", dns=None),
    "full cone": Network(forwards=(Forward("udp", "1-65535"),), dns=None),
    "no NAT": Network(nat=False, dns=None),
}

AIOICE = """
import asyncio, sys, aioice
async def main():
    ice = aioice.Connection(ice_controlling=True, stun_server=(sys.argv[1], 3478), use_ipv6=False)
    await ice.gather_candidates()
    for each in ice.local_candidates:
        print(each.type, each.host, each.port, each.related_address, each.related_port)
    await ice.close()
asyncio.run(main())
"""
PYSTUN3 = "import sys; from stun.cli import main; sys.exit(main())"
CLIENTS = {
    "natdiscovery": ("turnutils_natdiscovery", "-m", "-f", "-H", SERVER),
    "stun": ("stun", SERVER),
    "pystun3": (sys.executable, "-c", PYSTUN3, "-H", SERVER, "-P", "3478"),
    "aioice": (sys.executable, "-c", AIOICE, SERVER),
}

Said = Mapping[tuple[str, str], str]


@pytest.fixture(scope="module")
def said() -> Iterator[Said]:
    """What each client says in each network."""
    with ExitStack() as labs:
        running = {}
        for name, network in NETWORKS.items():
            lab = labs.enter_context(Lab(network))
            labs.enter_context(served(lab))
            for client, argv in CLIENTS.items():
                running[name, client] = lab.popen("client", argv)
        for process in running.values():
            process.wait(ENDED_S)
        yield {key: process.stdout for key, process in running.items()}


@pytest.mark.parametrize(
    ("network", "mapping", "filtering"),
    [
        ("masquerade", "Endpoint Independent", "Address and Port Dependent"),
        ("random", "Address and Port Dependent", "Address and Port Dependent"),
        ("full cone", "Endpoint Independent", "Endpoint Independent"),
        ("no NAT", "Endpoint Independent", "Endpoint Independent"),
    ],
)
def test_coturns_client_finds_how_a_nat_maps_and_filters(
    said: Said, network: str, mapping: str, filtering: str
) -> None:
    text = said[network, "natdiscovery"]
    assert f"NAT with {mapping} Mapping!" in text
    assert f"NAT with {filtering} Filtering!" in text
    assert f"Other addr: : {SERVER_2}:3479" in text
    assert f"UDP reflexive addr: {NETWORKS[network].public}:" in text
    assert ("successful hairpinning" in text) is (network == "no NAT")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("masquerade", "Independent Mapping, Port Dependent Filter, preserves ports, no hairpin"),
        ("random", "Dependent Mapping, random port, no hairpin"),
        ("full cone", "Independent Mapping, Independent Filter, preserves ports, no hairpin"),
        ("no NAT", "Open"),
    ],
)
def test_debians_client_finds_the_type_of_a_nat(said: Said, network: str, words: str) -> None:
    assert f"Primary: {words}\t" in said[network, "stun"]


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        ("masquerade", "Restric Port NAT"),
        ("random", "Symmetric NAT"),
        ("full cone", "Full Cone"),
    ],
)
def test_pystun3_finds_the_type_of_a_nat(said: Said, network: str, kind: str) -> None:
    assert f"NAT Type: {kind}\n" in said[network, "pystun3"]


@pytest.mark.parametrize("network", ["masquerade", "random", "full cone"])
def test_aioice_gathers_its_reflexive_address(said: Said, network: str) -> None:
    client = NETWORKS[network].client
    pattern = rf"^srflx {PUBLIC} (\d+) {client} (\d+)$"
    found = re.findall(pattern, said[network, "aioice"], re.MULTILINE)
    assert len(found) == 1, said[network, "aioice"]
    if network == "masquerade":
        assert found[0][0] == found[0][1]


# What others can be made to do


def aimed(victim: Endpoint) -> bytes:
    """A request of RFC 3489 whose RESPONSE-ADDRESS is the victim's."""
    plain = stun.Message(kind="request", transaction=secrets.token_bytes(16), mapped_address=victim)
    return stun.write(plain).replace(b"\0\x01\0\x08", b"\0\x02\0\x08")


def test_we_do_not_reflect_where_an_old_server_does() -> None:
    with Lab(Network(nat=False, other=True, dns=None)) as lab, served(lab):
        old = ("stund", "-h", SERVER, "-a", SERVER_2, "-p", "5000", "-o", "5001")
        lab.popen("server", old)
        lab.wait_listening("server", "udp", 5000)
        with lab.inside("other"):
            victim = udp(lab.network.other_host)
        with lab.inside("client"):
            attacker = udp(lab.network.client)
        with victim, attacker:
            data = aimed(Endpoint(*victim.getsockname()))
            attacker.sendto(data, (SERVER, 5000))
            assert stun.read(victim.recv(2000)).kind == "success"
            attacker.sendto(data, (SERVER, 3478))
            answer = stun.read(attacker.recv(2000))
            assert (answer.error_code, answer.unknown_attributes) == (420, (0x0002,))
            assert silent(victim)
