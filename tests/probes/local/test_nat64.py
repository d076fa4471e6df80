"""The NAT64 prefix, against a real name server on the loopback and the RFC's own examples."""

from __future__ import annotations

import ipaddress
import time

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.local import nat64
from tests.probes.local.name_server import always, serving, zone

# RFC 6052 section 2.4: how 192.0.2.33 is written behind each prefix.
EXAMPLES = {
    "2001:db8::/32": "2001:db8:c000:221::",
    "2001:db8:100::/40": "2001:db8:1c0:2:21::",
    "2001:db8:122::/48": "2001:db8:122:c000:2:2100::",
    "2001:db8:122:300::/56": "2001:db8:122:3c0:0:221::",
    "2001:db8:122:344::/64": "2001:db8:122:344:c0:2:2100::",
    "2001:db8:122:344::/96": "2001:db8:122:344::192.0.2.33",
    "64:ff9b::/96": "64:ff9b::192.0.2.33",
}


def behind(prefix: str, address: str) -> str:
    """``address`` behind ``prefix``, by RFC 6052 section 2.2, bit by bit."""
    network = ipaddress.IPv6Network(prefix)
    bits = f"{int(network.network_address):0128b}"[: network.prefixlen]
    for bit in f"{int(ipaddress.IPv4Address(address)):032b}":
        if len(bits) == 64 and network.prefixlen < 96:
            bits += "0" * 8
        bits += bit
    return str(ipaddress.IPv6Address(int(bits.ljust(128, "0"), 2)))


@pytest.mark.parametrize(("prefix", "address"), EXAMPLES.items())
def test_the_examples_of_rfc_6052(prefix: str, address: str) -> None:
    length = ipaddress.IPv6Network(prefix).prefixlen
    found = nat64.embedded(ipaddress.IPv6Address(address), length)
    assert found == ipaddress.IPv4Address("192.0.2.33")
    assert behind(prefix, "192.0.2.33") == str(ipaddress.IPv6Address(address))


@pytest.mark.parametrize("prefix", EXAMPLES)
def test_every_length_is_found_by_the_well_known_addresses(prefix: str) -> None:
    both = [behind(prefix, str(known)) for known in nat64.WELL_KNOWN]
    assert nat64.prefixes(both) == (prefix,)
    assert nat64.prefixes(both[:1]) == (prefix,)


def test_the_reserved_octet_must_be_zero_but_behind_96_bits() -> None:
    ones = ipaddress.IPv6Address("2001:db8:122:344:ff00::c000:aa")
    assert nat64.embedded(ones, 64) is None
    assert nat64.embedded(ones, 96) == nat64.WELL_KNOWN[0]


def test_a_prefix_that_holds_a_well_known_address_itself_is_no_riddle() -> None:
    prefix = "2001:db8:c000:aa::/96"  # the first 64 bits read as /32 with 192.0.0.170
    both = [behind(prefix, str(known)) for known in nat64.WELL_KNOWN]
    assert nat64.prefixes(both) == (prefix,)


def test_two_prefixes_are_both_named() -> None:
    two = ["64:ff9b::/96", "2001:db8:122::/48"]
    given_ = [behind(prefix, str(known)) for prefix in two for known in nat64.WELL_KNOWN]
    assert nat64.prefixes(given_) == tuple(two)


@given(st.lists(st.ip_addresses(v=6).map(str), max_size=8))
def test_any_addresses_give_prefixes_in_which_they_lie(addresses: list[str]) -> None:
    for prefix in nat64.prefixes(addresses):
        network = ipaddress.IPv6Network(prefix)
        assert any(ipaddress.IPv6Address(a) in network for a in addresses)


async def test_a_resolver_with_nat64_is_found_out() -> None:
    made = [f"{nat64.NAME} {behind('64:ff9b::/96', str(known))}" for known in nat64.WELL_KNOWN]
    async with serving(zone(AAAA=made)) as server:
        seen = await nat64.look(time.monotonic, resolver=server.resolver())
    assert (seen.outcome, seen.prefixes, seen.detail) == ("found", ("64:ff9b::/96",), "")
    assert server.asked == [(nat64.NAME, "AAAA")]
    assert 0 <= seen.took_s < nat64.PATIENCE_S


@pytest.mark.parametrize("rule", [zone(), zone(A=[f"{nat64.NAME} 192.0.0.170"])])
async def test_no_such_address_is_none(rule: object) -> None:
    async with serving(rule) as server:  # type: ignore[arg-type]
        seen = await nat64.look(time.monotonic, resolver=server.resolver())
    assert (seen.outcome, seen.prefixes, seen.detail) == ("none", (), "")


async def test_an_address_that_holds_neither_is_none_and_said() -> None:
    async with serving(zone(AAAA=[f"{nat64.NAME} 2001:db8::7"])) as server:
        seen = await nat64.look(time.monotonic, resolver=server.resolver())
    assert (seen.outcome, seen.prefixes) == ("none", ())
    assert "neither" in seen.detail


def silent(_query: dns.message.Message) -> None:
    return None


def rubbish(_query: dns.message.Message) -> bytes:
    return b"\xff" * 30


@pytest.mark.parametrize("rule", [silent, rubbish, always(dns.rcode.SERVFAIL)])
async def test_a_name_server_that_fails_is_not_a_no(rule: object) -> None:
    began = time.monotonic()
    async with serving(rule) as server:  # type: ignore[arg-type]
        seen = await nat64.look(time.monotonic, resolver=server.resolver(), patience_s=0.3)
    assert (seen.outcome, seen.prefixes) == ("failed", ())
    assert seen.detail
    assert time.monotonic() - began < 2
