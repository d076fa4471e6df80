"""What the way to the server means: places, layers, sizes, and who loses packets."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import route
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Nat
from probes.observation import (
    Address,
    AnyObservation,
    Attempt,
    AttemptOutcome,
    Control,
    ControlAttempt,
    Fragments,
    Hop,
    Hops,
    IcmpErrors,
    LocalFacts,
    Loss,
    Nat64,
    PathMtu,
    PortMapper,
    PortMappers,
    SizeTried,
)

SERVER = "198.51.100.5"
PUBLIC = "203.0.113.2"
GATEWAY = "192.168.1.1"
ENOUGH = 14  # silent tries beside as many answered ones mean something
BEHIND_NAT = Nat(present=True, public_addresses=[PUBLIC])
WHEN: dict[str, Any] = {"at_s": 0.0, "took_s": 0.1}


def surroundings(
    own: str = "192.168.1.20", lost: int = 0, vpn: bool = False
) -> list[AnyObservation]:
    return [
        LocalFacts(
            id="local",
            **WHEN,
            hostname="h",
            system="s",
            addresses=(Address(interface="eth0", address=own),),
            gateways=(GATEWAY,),
            vpn_interfaces=("eth0",) if vpn else (),
        ),
        Control(
            id="control",
            **WHEN,
            host=SERVER,
            attempts=(ControlAttempt(port=8463, outcome="connected"),),
            connected=True,
            local_address=own,
            confirmed_at_end=True,
        ),
        Loss(id="loss", **WHEN, control_sent=200, control_lost=lost),
    ]


def facts(*observations: AnyObservation, **where: Any) -> Facts:
    return Facts([*observations, *surroundings(**where)])


def opened(*addresses: str | None) -> Hops:
    """The way of a packet that passes: these routers, then the server."""
    hops = [Hop(ttl=n, address=a, sent=1) for n, a in enumerate(addresses, 1)]
    end = Hop(ttl=len(hops) + 1, address=SERVER, end=True, sent=1)
    return Hops(
        id="open", **WHEN, aim="open", transport="tcp", destination=SERVER, hops=(*hops, end)
    )


def lost(*hops: Hop, **more: Any) -> Hops:
    return Hops(
        **{
            "id": "blocked",
            **WHEN,
            "aim": "blocked",
            "transport": "tcp",
            "destination": SERVER,
            "port": 1720,
            "hops": hops,
        }
        | more
    )


def answered(ttl: int, address: str) -> Hop:
    return Hop(ttl=ttl, address=address, sent=1, control_sent=1, control_answered=1)


def silent(ttl: int, tries: int = ENOUGH, controls: int | None = None) -> Hop:
    heard = tries if controls is None else controls
    return Hop(ttl=ttl, sent=tries, control_sent=tries, control_answered=heard)


def own_address(*hops: Hop, **more: Any) -> Hops:
    return Hops(
        id="own", **WHEN, aim="own-address", transport="udp", destination=PUBLIC, hops=hops, **more
    )


def lives_at(ttl: int, *before: str) -> Hops:
    passed = [Hop(ttl=n, address=a, sent=1) for n, a in enumerate(before, 1)]
    return own_address(*passed, Hop(ttl=ttl, address=PUBLIC, end=True, sent=1))


def mapper(external: str | None) -> PortMappers:
    found = PortMapper(protocol="upnp-igd", gateway=GATEWAY, external_address=external)
    return PortMappers(id="mappers", **WHEN, found=(found,))


# where it breaks

HOME = opened(GATEWAY, "203.0.113.1")
CARRIED = opened(GATEWAY, "100.64.0.1", "203.0.113.1")


@pytest.mark.parametrize(
    ("reference", "blocked", "expected"),
    [
        (HOME, lost(answered(1, GATEWAY), silent(2)), ("router", GATEWAY)),
        (CARRIED, lost(answered(1, GATEWAY), silent(2)), ("router", GATEWAY)),
        (
            CARRIED,
            lost(answered(1, GATEWAY), answered(2, "100.64.0.1"), silent(3)),
            ("carrier", "100.64.0.1"),
        ),
        (
            HOME,
            lost(answered(1, GATEWAY), answered(2, "203.0.113.1")),
            ("beyond", "203.0.113.1"),
        ),
        (HOME, lost(kept_back="this computer's own firewall"), ("computer", None)),
        # It is not known whose the second private router is.
        (
            opened(GATEWAY, "10.0.0.1", "203.0.113.1"),
            lost(answered(1, GATEWAY), answered(2, "10.0.0.1"), silent(3)),
            None,
        ),
        # The packet may have left this computer or not.
        (HOME, lost(silent(1), silent(2)), None),
        # Too few tries, or the others were not answered either.
        (HOME, lost(answered(1, GATEWAY), silent(2, tries=3)), None),
        (HOME, lost(answered(1, GATEWAY), silent(2, controls=3)), None),
        (HOME, lost(answered(1, GATEWAY), silent(2, controls=0)), None),
        (HOME, lost(answered(1, GATEWAY)), None),
        # A router that never answers anybody, and the server next, say nothing.
        (
            opened(GATEWAY, None, "203.0.113.1"),
            lost(answered(1, GATEWAY), Hop(ttl=2, sent=4, control_sent=4), silent(3)),
            None,
        ),
        (opened(GATEWAY), lost(answered(1, GATEWAY)), None),
        # The way is another one than that of the packets that pass.
        (HOME, lost(answered(1, "192.168.1.254"), silent(2)), None),
        (HOME, lost(untested="not here"), None),
        # Somebody nearer than the server refused it; or the server itself did.
        (
            CARRIED,
            lost(answered(1, GATEWAY), Hop(ttl=2, end=True, detail="TCP reset", sent=1)),
            ("carrier", "100.64.0.1"),
        ),
        (
            HOME,
            lost(
                answered(1, GATEWAY),
                answered(2, "203.0.113.1"),
                Hop(ttl=3, end=True, detail="TCP reset", sent=1),
            ),
            None,
        ),
    ],
)
def test_breaks_at(reference: Hops, blocked: Hops, expected: tuple[str, str | None] | None) -> None:
    found = route.breaks_at(facts(reference, blocked), "tcp", 1720)
    assert (found and found[:2]) == expected
    if found:
        assert "blocked" in found[2]


def test_breaks_at_needs_observations_of_that_port() -> None:
    blocked = lost(answered(1, GATEWAY), silent(2))
    assert route.breaks_at(facts(HOME), "tcp", 1720) is None
    assert route.breaks_at(facts(blocked), "tcp", 1720) is None
    assert route.breaks_at(facts(HOME, blocked), "tcp", 1503) is None
    assert route.breaks_at(facts(HOME, blocked), "udp", 1720) is None


@given(st.integers(0, 3), st.floats(0, 0.4), st.integers(0, 10_000))
def test_loss_never_names_another_device(stops: int, loss: float, seed: int) -> None:
    """Routers that answer now and then, and one of them that loses what is blocked."""
    chance = random.Random(seed)
    routers = [GATEWAY, "100.64.0.1", "203.0.113.1"]
    places = ["router", "carrier", "beyond"]
    hops = []
    for ttl, address in enumerate(routers, 1):
        heard = sum(chance.random() >= loss for _ in range(16))
        reached = ttl <= stops
        tries = next((n for n in range(1, 17) if chance.random() >= loss), 0) if reached else 0
        hops.append(
            Hop(
                ttl=ttl,
                address=address if tries else None,
                sent=tries or 16,
                control_sent=16,
                control_answered=heard,
            )
        )
    found = route.breaks_at(facts(opened(*routers), lost(*hops), lost=int(200 * loss)), "tcp", 1720)
    if found is not None:
        assert stops > 0
        assert found[:2] == (places[stops - 1], routers[stops - 1])


# layers


@pytest.mark.parametrize(
    ("observations", "layers", "carrier"),
    [
        ([], None, None),
        ([HOME], None, None),
        ([HOME, lives_at(1)], 1, False),
        # RFC 6598, and the public address is not at our router.
        ([CARRIED, lives_at(2, GATEWAY)], 2, True),
        ([CARRIED, own_address(Hop(ttl=1, address=GATEWAY, sent=1))], 2, True),
        # A carrier may number its links so, and give each home a public address.
        ([CARRIED, lives_at(1)], 1, False),
        ([CARRIED], None, None),
        ([mapper("100.64.3.2")], 2, True),
        ([mapper("192.168.100.2")], 2, None),
        ([mapper(PUBLIC)], None, None),
        ([mapper(PUBLIC), lives_at(1)], 1, False),
        # A router that claims one thing and does another.
        ([mapper("100.64.3.2"), lives_at(1)], None, None),
        ([mapper("192.168.100.2"), lives_at(1)], None, False),
        ([mapper(None)], None, None),
        # Another public address: a router with two lines, unless it passes packets to ours on.
        ([mapper("198.18.7.7")], None, None),
        ([mapper("198.18.7.7"), lives_at(2, GATEWAY)], 2, None),
        # A company may have several private networks and one translation.
        ([opened(GATEWAY, "10.0.0.1", "203.0.113.1")], None, None),
        ([opened(GATEWAY, "10.0.0.1", "203.0.113.1"), lives_at(2, GATEWAY)], None, None),
        # Shared addresses far away are the server's carrier's.
        ([opened(GATEWAY, "203.0.113.1", "100.64.0.1"), lives_at(2, GATEWAY)], None, None),
        # A router of ours that shows its public address, in front of a carrier's.
        ([opened("192.0.2.1", "100.64.0.1", "203.0.113.1"), lives_at(2, "192.0.2.1")], 2, True),
        # Someone else than the owner of the address answers for it.
        ([HOME, own_address(Hop(ttl=1, address=GATEWAY, end=True, sent=1))], None, None),
        # It kept the packet without a word, where it answered others.
        ([HOME, own_address(silent(1))], 1, False),
        ([HOME, own_address(silent(1, controls=2))], None, None),
        ([HOME, own_address(untested="it comes back")], None, None),
    ],
)
def test_layers(
    observations: list[AnyObservation], layers: int | None, carrier: bool | None
) -> None:
    judged, _ = route.judge(facts(*observations), BEHIND_NAT)
    assert (judged.layers, judged.carrier_grade) == (layers, carrier)
    ids = {o.id for o in observations} | {"control"}
    assert set(judged.evidence) <= ids
    if layers is not None:
        assert judged.evidence


def test_without_translation() -> None:
    judged, _ = route.judge(facts(CARRIED), Nat(present=False))
    assert (judged.layers, judged.carrier_grade) == (0, False)
    judged, _ = route.judge(facts(CARRIED, lives_at(2, GATEWAY)), Nat())
    assert (judged.layers, judged.carrier_grade) == (None, None)


@pytest.mark.parametrize(("vpn", "carrier"), [(False, True), (True, None)])
def test_a_shared_address_of_our_own(vpn: bool, carrier: bool | None) -> None:
    """A phone in a carrier's network has one; so have some VPNs."""
    judged, _ = route.judge(facts(own="100.64.9.9", vpn=vpn), BEHIND_NAT)
    assert judged.carrier_grade is carrier
    assert judged.layers is None


@pytest.mark.parametrize(
    ("hops", "home", "places"),
    [
        (CARRIED, lives_at(2, GATEWAY), ["router", "carrier", "beyond", "server"]),
        (
            opened(GATEWAY, None, "203.0.113.1", None),
            lives_at(1),
            ["router", "unknown", "beyond", "beyond", "server"],
        ),
        (
            opened(GATEWAY, "10.1.1.1", "203.0.113.1"),
            lives_at(1),
            ["router", "carrier", "beyond", "server"],
        ),
        (
            opened(GATEWAY, "10.1.1.1", "203.0.113.1"),
            lives_at(2, GATEWAY),
            ["router", "unknown", "beyond", "server"],
        ),
        (opened("10.9.9.9", "203.0.113.1"), None, ["router", "beyond", "server"]),
        (opened(), None, ["server"]),
    ],
)
def test_places(hops: Hops, home: Hops | None, places: list[str]) -> None:
    _, path = route.judge(facts(hops, *([home] if home else [])), BEHIND_NAT)
    assert [h.place for h in path] == places
    assert [h.ttl for h in path] == list(range(1, len(places) + 1))


def test_the_first_hop_of_a_vpn_is_nobodys_router() -> None:
    _, path = route.judge(facts(opened("10.8.0.1", "203.0.113.1"), vpn=True), BEHIND_NAT)
    assert path[0].place == "unknown"


# clues


def test_the_carrier_and_a_second_router_are_told_apart() -> None:
    carried = facts(CARRIED, lives_at(2, GATEWAY))
    (clue,) = route.clues(carried, route.judge(carried, BEHIND_NAT)[0])
    assert clue.cause == "carrier-grade-nat"
    assert clue.parameters == {"carrier_address": "100.64.0.1"}
    assert set(clue.evidence) == {"open", "own"}

    claimed = facts(CARRIED, lives_at(2, GATEWAY), mapper("100.64.0.2"))
    (clue,) = route.clues(claimed, route.judge(claimed, BEHIND_NAT)[0])
    assert clue.parameters == {
        "carrier_address": "100.64.0.1",
        "external_address": "100.64.0.2",  # what the router says that it has, not what others see
    }

    two = facts(opened(GATEWAY, "192.168.100.1", "203.0.113.1"), mapper("192.168.100.2"))
    (clue,) = route.clues(two, route.judge(two, BEHIND_NAT)[0])
    assert clue.cause == "double-nat"
    assert clue.parameters == {
        "outer_router": "192.168.100.1",
        "external_address": "192.168.100.2",
    }
    assert set(clue.evidence) == {"open", "mappers"}

    one = facts(HOME, lives_at(1))
    assert not list(route.clues(one, route.judge(one, BEHIND_NAT)[0]))


# fragments, sizes, ICMP


def fragments(sent: int, answers: int, controls: int, heard: int, **more: Any) -> Fragments:
    direction = more.get("direction", "outbound")
    return Fragments(
        **{
            "id": f"fragments-{direction}-{more.get('order', 'in-order')}",
            **WHEN,
            "order": "in-order",
            "direction": direction,
            "sent": sent,
            "answered": answers,
            "control_sent": controls,
            "control_answered": heard,
        }
        | more
    )


PASS = fragments(1, 1, 1, 1)
DROPPED = fragments(14, 0, 14, 14)


@pytest.mark.parametrize(
    ("observations", "verdict"),
    [
        ([], "unknown"),
        ([PASS], "pass"),
        ([DROPPED], "dropped"),
        ([PASS, fragments(14, 0, 14, 14, direction="both")], "dropped"),
        ([PASS, fragments(1, 1, 1, 1, direction="both")], "pass"),
        ([PASS, fragments(0, 0, 0, 0, direction="both", untested="why")], "pass"),
        ([fragments(14, 0, 14, 0)], "unknown"),
        ([fragments(14, 0, 14, 6)], "unknown"),
        ([fragments(4, 0, 4, 4)], "unknown"),
        ([PASS, fragments(4, 0, 4, 4, direction="both")], "unknown"),
        ([fragments(14, 0, 14, 14, untested="why")], "unknown"),
    ],
)
def test_fragments(observations: list[AnyObservation], verdict: str) -> None:
    judged, _ = route.judge(facts(*observations), BEHIND_NAT)
    assert judged.fragments == verdict


def test_the_direction_in_which_fragments_are_lost() -> None:
    def direction(*observations: AnyObservation) -> object:
        known = facts(*observations)
        (clue,) = route.clues(known, route.judge(known, BEHIND_NAT)[0])
        assert clue.cause == "fragments-dropped"
        return clue.parameters["direction"]

    both = fragments(14, 0, 14, 14, direction="both")
    assert direction(DROPPED, both) == "outbound"
    assert direction(PASS, both) == "inbound"
    assert direction(both) == "both"


def test_out_of_order_is_a_question_of_its_own_only_where_fragments_pass() -> None:
    backwards = fragments(14, 0, 14, 14, order="out-of-order")
    judged, _ = route.judge(facts(PASS, backwards), BEHIND_NAT)
    assert (judged.fragments, judged.fragments_out_of_order) == ("pass", "dropped")
    judged, _ = route.judge(facts(DROPPED, backwards), BEHIND_NAT)
    assert (judged.fragments, judged.fragments_out_of_order) == ("dropped", "unknown")


def test_fragments_that_are_larger_than_the_path_takes_say_nothing() -> None:
    def judged(*sizes: SizeTried) -> tuple[str, int | None]:
        tried = PathMtu(id="path-mtu", at_s=1.0, took_s=0.2, sizes=sizes)
        nat, _ = route.judge(facts(DROPPED, tried), BEHIND_NAT)
        return nat.fragments, nat.path_mtu

    small = size(156, 14, 14)
    assert judged(small, size(1500, 1, 1)) == ("dropped", 1500)
    assert judged(small, size(576, 1, 1), size(577, 14, 0), size(1500, 14, 0)) == ("unknown", 576)
    backwards = fragments(14, 0, 14, 14, order="out-of-order")
    tried = PathMtu(
        id="path-mtu", at_s=1.0, took_s=0.2,
        sizes=(small, size(576, 1, 1), size(577, 14, 0), size(1500, 14, 0)),
    )  # fmt: skip
    nat, _ = route.judge(facts(DROPPED, backwards, tried), BEHIND_NAT)
    assert nat.fragments_out_of_order == "unknown"


def size(size: int, sent: int, answers: int, limit: int | None = None) -> SizeTried:
    return SizeTried(size=size, sent=sent, answered=answers, limit=limit)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((), None),
        ((size(156, 2, 2), size(1280, 1, 1), size(1500, 1, 1)), 1500),
        ((size(156, 14, 14), size(1400, 1, 1), size(1401, 14, 0)), 1400),
        # Between the two nothing was tried, or loss may explain the silence.
        ((size(156, 14, 14), size(1400, 1, 1), size(1420, 14, 0)), None),
        ((size(156, 14, 14), size(1400, 1, 1), size(1401, 4, 0)), None),
        ((size(156, 14, 5), size(1400, 1, 1), size(1401, 14, 0)), None),
        # A router said so, and it is so.
        ((size(156, 3, 3), size(1400, 1, 1), size(1420, 2, 0, limit=1400)), 1400),
        ((size(156, 3, 3), size(1380, 1, 1), size(1420, 2, 0, limit=1400)), None),
        ((size(156, 3, 0), size(1280, 3, 0)), None),
        ((size(156, 14, 14), size(576, 14, 0)), None),
    ],
)
def test_path_mtu(sizes: tuple[SizeTried, ...], expected: int | None) -> None:
    found = PathMtu(id="path-mtu", **WHEN, sizes=sizes)
    judged, _ = route.judge(facts(found), BEHIND_NAT)
    assert judged.path_mtu == expected
    assert ("path-mtu" in judged.evidence) == (expected is not None)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (("refused",), True),
        (("silent", "refused"), True),
        (("silent",) * 16, None),
        (("unreachable",), None),
        (("local-error",), None),
        ((), None),
    ],
)
def test_icmp_errors(outcomes: tuple[AttemptOutcome, ...], expected: bool | None) -> None:
    attempts = tuple(Attempt(at_s=0.0, outcome=o) for o in outcomes)
    found = IcmpErrors(id="icmp", **WHEN, destination=f"{SERVER}:33434", attempts=attempts)
    judged, _ = route.judge(facts(found), BEHIND_NAT)
    assert judged.icmp_errors is expected


def test_what_gateways_and_resolvers_say_is_passed_on() -> None:
    nat64 = Nat64(id="nat64", **WHEN, outcome="found", prefixes=("64:ff9b::/96",))
    judged, _ = route.judge(facts(nat64, mapper(PUBLIC)), BEHIND_NAT)
    assert judged.nat64_prefix == "64:ff9b::/96"
    assert [(m.protocol, m.gateway, m.external_address) for m in judged.port_mapping] == [
        ("upnp-igd", GATEWAY, PUBLIC)
    ]
    assert {"nat64", "mappers"} <= set(judged.evidence)


def test_nothing_known_changes_nothing() -> None:
    assert route.judge(Facts([]), Nat()) == (Nat(), [])
    assert not list(route.clues(Facts([]), Nat()))


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([], None),
        ([opened(GATEWAY, "10.0.0.1", "203.0.113.1")], None),
        ([opened(GATEWAY, "10.0.0.1", "203.0.113.1"), lives_at(2, GATEWAY)], "10.0.0.1"),
        ([opened(GATEWAY, "10.0.0.1", "203.0.113.1"), lives_at(1)], None),
        # Behind our own router begins the Internet.
        ([opened(GATEWAY, "203.0.113.1"), lives_at(2, GATEWAY)], None),
    ],
)
def test_a_router_behind_our_own(observations: list[AnyObservation], expected: str | None) -> None:
    """Whether ours translates as well is not known, and forwarding has to begin there anyway."""
    assert route.further_router(facts(*observations)) == expected
