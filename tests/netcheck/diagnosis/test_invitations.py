"""What ten invitations mean for sending files: every row of it, and what may never be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import diagnose
from netcheck.report.model import Feature
from probes.observation import AnyObservation, Attempt, Invitation, Invited
from probes.observation.base import AttemptOutcome

from .measured import (
    OURS,
    PLAN,
    PROFILES,
    PUBLIC,
    TRANSFER_PORTS,
    all_inbound,
    control,
    inbound_tcp,
    inbound_udp,
    loss,
    network,
    silent,
    tries,
)
from .talked import SEEN, SOCKET, followed, heard, said, talk
from .talked import control as other_port

RESET = tries("refused", "refused")
ENOUGH = silent(12)


def one(port: int, at: str | None = PUBLIC, **more: Any) -> Invitation:
    """Sent from behind a NAT, and rewritten; ``at`` is the address that arrived."""
    usual: dict[str, Any] = {
        "sent": f"{OURS}:{port}", "arrived": at and f"{at}:{port}",
    }  # fmt: skip
    return Invitation(port=port, **(usual | more))


def reached(port: int, at: str = PUBLIC) -> Invitation:
    return one(port, at, attempts=tries("answered"), heard=1)


def private(port: int) -> Invitation:
    return one(port, OURS, refused="not-proven")


def shut(port: int, at: str = PUBLIC) -> Invitation:
    return one(port, at, attempts=ENOUGH)


def lost(port: int) -> Invitation:
    return one(port, None)


def taken(port: int) -> Invitation:
    return Invitation(port=port, busy=True)


def invited(*invitations: Invitation, **more: Any) -> Invited:
    usual: dict[str, Any] = {
        "together": tuple(i.port for i in invitations if i.heard),
        "talk": "talked",
        "local": SOCKET,
        "source": SEEN,
    }
    return Invited(id="invited", at_s=1.0, took_s=0.3, invitations=invitations, **(usual | more))


def ten(make: Any, *others: Invitation, **more: Any) -> Invited:
    """Ten that are alike, but for ``others``."""
    known = {i.port: i for i in others}
    return invited(*(known.get(port) or make(port) for port in TRANSFER_PORTS), **more)


FIELD = {"field": "IP-Address", "sent": f"{OURS}:20001"}
MSN: dict[str, Any] = {
    "protocol": "msn", "dialogue": "msn-file", "transport": "tcp", "port": 1863,
}  # fmt: skip
KEPT = said(f"{OURS}:20001", **FIELD)
UNTOUCHED = (talk(KEPT, **MSN), other_port(KEPT, **(MSN | {"port": 40123})))
DAMAGED = (
    talk(**MSN, out=heard(KEPT, faults=("MSG length: 247, and 240 bytes follow",))),
    other_port(KEPT, **(MSN | {"port": 40123})),
)


def send_files(*observations: AnyObservation) -> Feature:
    found = diagnose(PROFILES, PLAN, network(*observations))
    return next(f for f in found.features if f.feature == "send-files")


CASES: dict[str, tuple[Sequence[AnyObservation], str, int | None, str]] = {
    "all": ([ten(reached)], "works", 10, "10 at the same time"),
    "all-though-nobody-who-was-not-invited-gets-in": (
        [ten(reached), *all_inbound(silent())], "works", 10, "10 at the same time",
    ),
    "private": (
        [ten(private), *UNTOUCHED], "fails", None,
        f"The invitation names {OURS}:6891, where your contact cannot reach you.",
    ),
    "private-though-the-ports-are-open": (
        [ten(private)], "fails", None, "where your contact cannot reach you",
    ),
    "written-to-an-address-of-nobody": (
        [ten(lambda port: one(port, "203.0.113.99", refused="not-proven"))], "fails", None,
        "A router writes 203.0.113.99:6891 into the invitation, which is not your address.",
    ),
    "ours-for-sure-and-not-yet-proved": (
        [ten(lambda port: one(port, refused="not-proven"))], "unknown", None, "is not known",
    ),
    "no-way": (
        [ten(shut), *all_inbound(silent())], "fails", None,
        f"A router writes {PUBLIC}:6891 into the invitation, and lets nobody in there.",
    ),
    "firewall": (
        [
            ten(lambda port: one(port, sent=f"{PUBLIC}:{port}", attempts=ENOUGH)),
            *all_inbound(silent()),
        ],
        "fails", None,
        "The invitation names the right address, and incoming TCP 6891–6900 is blocked there.",
    ),
    "refused": (
        [ten(lambda port: one(port, attempts=RESET))], "fails", None, "lets nobody in",
    ),
    "another-host": (
        [ten(lambda port: one(port, attempts=tries("foreign")))], "fails", None,
        f"The invitation names {PUBLIC}:6891, where something else answers.",
    ),
    "only-one": (
        [ten(private, reached(6891))], "limited", 1,
        f"Only 1 of 10 at the same time: the invitation names {OURS}:6892",
    ),
    "three-get-in": (
        [ten(shut, *map(reached, (6891, 6892, 6893))), *all_inbound(silent())], "limited", 3,
        "Only 3 of 10 at the same time: a router writes",
    ),
    "three-at-a-time": (
        [ten(shut, *map(reached, (6891, 6892, 6893)))], "limited", 3,
        "Only 3 of 10 at the same time: no more connections are let in at once.",
    ),
    "one-port-in-use": (
        [ten(reached, taken(6895))], "limited", 9, "TCP 6895 is in use on this computer",
    ),
    "all-ports-in-use": (
        [ten(taken, talk="untested", untested="its ports are in use")], "unknown", None,
        "its ports are in use",
    ),
    "one-undecided": (
        [ten(reached, one(6900, attempts=silent(2)))], "unknown", None, "more than 9 of 10",
    ),
    "all-undecided": (
        [ten(lambda port: one(port, attempts=silent(2)))], "unknown", None, "is not known",
    ),
    "some-shut-the-others-undecided": (
        [ten(lambda port: one(port, attempts=silent(2)), shut(6891))], "unknown", None, "",
    ),
    "some-get-in-some-do-not-some-undecided": (
        [ten(reached, shut(6891), one(6900, attempts=silent(2)))], "limited", 8, "8 of 10",
    ),
    "silence-that-may-be-loss": (
        [ten(lambda port: one(port, attempts=silent())), loss(60)], "unknown", None, "",
    ),
    "silence-of-a-server-that-went": (
        [ten(shut), control(confirmed_at_end=False)], "unknown", None, "",
    ),
    "refused-while-the-server-may-have-been-gone": (
        [ten(lambda port: one(port, attempts=RESET)), control(confirmed_at_end=False)],
        "unknown", None, "",
    ),
    "heard-and-not-together": (
        [ten(reached, together=TRANSFER_PORTS[:9])], "unknown", None, "more than 9 of 10",
    ),
    "lost-and-nobody-knows-why": ([ten(lost)], "unknown", None, ""),
    "damaged": (
        [ten(lost), *DAMAGED], "fails", None, "The invitation is damaged on the way: MSG length",
    ),
    "no-chat-service": (
        [ten(lost, talk="silent", source=None)], "unknown", None, "",
    ),
    "not-tried": (
        [ten(lambda port: Invitation(port=port), talk="untested", untested="no echo server")],
        "unknown", None, "no echo server",
    ),
    "not-tried-and-nobody-gets-in": (
        [
            ten(lambda port: Invitation(port=port), talk="untested", untested="no echo server"),
            *all_inbound(silent()),
        ],
        "fails", None, "incoming TCP 6891–6900 are blocked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rows(name: str) -> None:
    observations, verdict, capacity, words = CASES[name]
    found = send_files(*observations)
    assert (found.verdict, found.capacity) == (verdict, capacity), found
    assert words in found.summary


def test_the_findings_are_those_that_it_rests_on() -> None:
    found = diagnose(PROFILES, PLAN, network(ten(private), *UNTOUCHED, *all_inbound(silent())))
    feature = next(f for f in found.features if f.feature == "send-files")
    causes = {f.cause for f in found.findings if f.id in feature.findings}
    assert causes == {"embedded-address-untouched"}


def test_where_nobody_gets_in_the_firewall_is_named() -> None:
    right = ten(lambda port: one(port, sent=f"{PUBLIC}:{port}", attempts=ENOUGH))
    found = diagnose(PROFILES, PLAN, network(right, *all_inbound(silent())))
    feature = next(f for f in found.features if f.feature == "send-files")
    causes = {f.cause for f in found.findings if f.id in feature.findings}
    assert "inbound-tcp-blocked" in causes


def test_ports_that_were_taken_meanwhile_are_named_with_a_remedy() -> None:
    some = ten(reached, taken(6893), taken(6894))
    found = diagnose(PROFILES, PLAN, network(some, *all_inbound(tries("answered"))))
    feature = next(f for f in found.features if f.feature == "send-files")
    assert feature.verdict == "limited"
    (finding,) = (f for f in found.findings if f.id in feature.findings)
    assert finding.cause == "local-port-in-use"
    assert finding.parameters["ports"] == [6893, 6894]


def test_an_old_report_is_judged_as_it_was() -> None:
    found = send_files()
    assert found.verdict == "unknown"


# Inviting to talk

VOICE: dict[str, Any] = MSN | {"dialogue": "msn-voice"}


def voice(at: str, *observations: AnyObservation) -> str:
    edited = said(f"{at}:20001", **FIELD)
    led = followed(*silent(12), target=f"{at}:20001")
    own = talk(edited, **VOICE, out=heard(edited), followed=led)
    beside = other_port(KEPT, **(VOICE | {"port": 40123}))
    found = diagnose(PROFILES, PLAN, network(own, beside, *observations))
    return next(f.verdict for f in found.features if f.feature == "voice")


@pytest.mark.parametrize(
    ("at", "observations", "verdict"),
    [
        (PUBLIC, (), "works"),
        (PUBLIC, (inbound_udp(silent()),), "fails"),
        ("203.0.113.99", (), "fails"),
    ],
    ids=["let in at 6901", "not let in", "an address of nobody"],
)
def test_a_right_address_is_enough_where_the_application_s_own_port_is_open(
    at: str, observations: tuple[AnyObservation, ...], verdict: str
) -> None:
    assert voice(at, *observations) == verdict


# Whatever was observed

outcomes = st.sampled_from(get_args(AttemptOutcome))


invitations = st.builds(
    lambda port, **more: (port, more),
    st.just(0),
    sent=st.sampled_from([f"{OURS}:1", None]),
    arrived=st.sampled_from([f"{OURS}:1", f"{PUBLIC}:1", "", "x", None]),
    attempts=st.lists(outcomes, max_size=16).map(lambda found: tries(*found)),
    heard=st.integers(0, 2),
    refused=st.sampled_from(["", "not-proven", "limit"]),
    busy=st.booleans(),
)


@given(
    drawn=st.lists(invitations, min_size=10, max_size=10),
    together=st.sets(st.sampled_from(TRANSFER_PORTS)),
    lost_of_200=st.integers(0, 200),
    confirmed=st.booleans(),
    dialogues=st.sampled_from([(), UNTOUCHED, DAMAGED]),
    untested=st.sampled_from(["", "why"]),
)
def test_nothing_is_said_that_was_not_seen(
    drawn: list[tuple[int, dict[str, Any]]],
    together: set[int],
    lost_of_200: int,
    confirmed: bool,
    dialogues: tuple[AnyObservation, ...],
    untested: str,
) -> None:
    all_of_them = tuple(
        Invitation(port=port, **more) for port, (_, more) in zip(TRANSFER_PORTS, drawn, strict=True)
    )
    seen = invited(*all_of_them, together=tuple(sorted(together)), untested=untested)
    found = send_files(seen, loss(lost_of_200), control(confirmed_at_end=confirmed), *dialogues)
    assert found.summary
    if found.verdict in ("works", "limited"):
        assert not untested
        assert found.capacity == len(together)
    assert (found.verdict == "works") == (len(together) == 10 and not untested)
    if found.verdict == "fails":
        assert untested or not together


@given(lost_of_200=st.integers(40, 200), calls=st.integers(0, 6))
def test_loss_is_no_wall(lost_of_200: int, calls: int) -> None:
    found = send_files(ten(lambda port: one(port, attempts=silent(calls))), loss(lost_of_200))
    assert found.verdict == "unknown"


@pytest.mark.parametrize("calls", [(), tries("mute"), tries("closed")])
def test_a_port_that_is_open_otherwise_proves_nothing(calls: tuple[Attempt, ...]) -> None:
    found = send_files(
        ten(private, one(6891, attempts=calls)), inbound_tcp(6891, tries("answered"))
    )
    assert found.verdict != "works"


def test_what_is_stated_can_be_kept() -> None:
    kept = ten(reached, taken(6895), private(6896))
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Invited) == kept
