"""Each port's state: what its tries, the ledger and the path's loss allow to say."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import diagnose, ports
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import PortState
from probes import silence
from probes.observation import (
    AnyObservation,
    Control,
    InboundTcp,
    InboundUdp,
    Ledger,
    OutboundTcp,
    OutboundUdp,
)
from tests.netcheck.report.strategies import reports

from .measured import (
    ENOUGH,
    OURS,
    PLAN,
    PROFILES,
    all_inbound,
    arrived,
    control,
    inbound_tcp,
    inbound_udp,
    inbound_udp_from_6901,
    judged,
    ledger,
    loss,
    network,
    networks,
    open_network,
    outbound_tcp,
    outbound_udp,
    repeated,
    silent,
    tries,
    udp_from_6901,
    unreached,
)

# The contract's, and "unknown" for what is not plain.
STATES = {"open", "refused", "blocked", "intercepted", "altered", "busy", "unavailable"}
STATES |= {"untested", "unknown"}

TCP = outbound_tcp(1863, silent())
MUTE = outbound_tcp(1863, tries(*repeated("mute")))
CLOSED = outbound_tcp(1863, tries("closed", "closed"))
FOREIGN = outbound_tcp(1863, tries("foreign"))
UDP = outbound_udp(silent())
FROM_6901 = udp_from_6901(silent())
UDP_FOREIGN = outbound_udp(tries("foreign"))

EPERM = "Operation not permitted"

# (the probe, what else is observed, state, reached_server, part of why)
OUTBOUND: dict[str, tuple[OutboundTcp | OutboundUdp, list[AnyObservation], str, Any, str]] = {
    # TCP
    "tcp-answered": (outbound_tcp(1863, tries("answered")), [], "open", True, ""),
    "tcp-answered-at-last": (
        outbound_tcp(1863, tries("silent", "refused", "answered")), [], "open", True, "",
    ),
    "tcp-answered-on-another-port": (
        outbound_tcp(1863, tries("answered"), arrived_on=80), [], "open", True, "port 80",
    ),
    "tcp-reset": (outbound_tcp(1863, tries("refused", "refused")), [], "refused", False, ""),
    "tcp-icmp": (
        outbound_tcp(1863, tries("unreachable", "unreachable", detail="No route to host")),
        [], "refused", False, "No route to host",
    ),
    "tcp-own-firewall": (
        outbound_tcp(1863, tries("local-error", detail=EPERM)), [], "refused", False, EPERM,
    ),
    "tcp-own-computer-otherwise": (
        outbound_tcp(1863, tries("local-error", detail="Invalid argument")),
        [], "unknown", False, "Invalid argument",
    ),
    "tcp-silent": (TCP, [], "blocked", False, ""),
    "tcp-silent-too-few": (
        outbound_tcp(1863, silent(ENOUGH - 1)), [], "unknown", False, f"{ENOUGH - 1} tries",
    ),
    "tcp-silent-path-lossy": (TCP, [loss(80)], "unknown", False, "loss"),
    "tcp-silent-tcp-lossy": (
        TCP, [loss(0, tcp_sent=silence.OWN_SAMPLE_MIN, tcp_lost=8)], "unknown", False, "loss",
    ),
    "tcp-silent-udp-lossy": (
        TCP, [loss(0, 400, udp_sent=silence.OWN_SAMPLE_MIN, udp_lost=8)], "blocked", False, "",
    ),
    "tcp-silent-unconfirmed": (
        TCP, [control(confirmed_at_end=False)], "unknown", None, "did not answer to the end",
    ),
    "tcp-silent-ledger-incomplete": (TCP, [ledger(complete=False)], "unknown", None, "echo server"),
    "tcp-refused-unconfirmed": (
        outbound_tcp(1863, tries("refused", "refused")),
        [control(confirmed_at_end=False)], "unknown", None, "echo server",
    ),
    "tcp-answered-unconfirmed": (
        outbound_tcp(1863, tries("answered")), [control(confirmed_at_end=False)], "open", True, "",
    ),
    "tcp-no-server": (TCP, [unreached()], "unknown", None, "not reached"),
    # Something shook hands and then there was no answer: the ledger says who it was.
    "tcp-mute-nothing-arrived": (MUTE, [], "blocked", False, "was let through"),
    "tcp-mute-let-through": (
        MUTE, [ledger(accepted=(1863,))], "blocked", False, "the connection was let through",
    ),
    "tcp-mute-answer-kept-back": (
        MUTE, [ledger(arrived(MUTE), accepted=(1863,))], "blocked", True, "kept back",
    ),
    "tcp-mute-garbled": (
        MUTE, [ledger(garbled=(1863,), accepted=(1863,))], "altered", True, "other bytes",
    ),
    "tcp-mute-too-few": (
        outbound_tcp(1863, tries("mute", "silent", "silent")),
        [ledger(accepted=(1863,))], "unknown", False, "tries",
    ),
    "tcp-mute-path-lossy": (
        MUTE, [ledger(accepted=(1863,)), loss(80)], "unknown", False, "loss",
    ),
    "tcp-mute-unconfirmed": (MUTE, [control(confirmed_at_end=False)], "unknown", None, ""),
    "tcp-closed-nothing-arrived": (CLOSED, [], "intercepted", False, "in the server's place"),
    "tcp-closed-let-through": (
        CLOSED, [ledger(accepted=(1863,))], "refused", False, "let through",
    ),
    "tcp-closed-answer-kept-back": (
        CLOSED, [ledger(arrived(CLOSED))], "refused", True, "before the answer came",
    ),
    "tcp-closed-garbled": (CLOSED, [ledger(garbled=(1863,))], "altered", True, "other bytes"),
    "tcp-foreign": (FOREIGN, [], "intercepted", False, "something other"),
    "tcp-foreign-arrived": (FOREIGN, [ledger(arrived(FOREIGN))], "altered", True, "changed"),
    "tcp-foreign-garbled": (FOREIGN, [ledger(garbled=(1863,))], "altered", True, "changed"),
    "tcp-foreign-unconfirmed": (FOREIGN, [control(confirmed_at_end=False)], "unknown", None, ""),
    "tcp-altered": (
        outbound_tcp(1863, tries("altered", detail="byte 40 was changed")),
        [], "altered", False, "byte 40",
    ),
    "tcp-altered-on-the-way-there": (
        TCP, [ledger(arrived(TCP, altered=1))], "altered", True, "changed on the way",
    ),
    "tcp-busy": (
        outbound_tcp(6901, (), local_port=6901, busy=True),
        [], "busy", None, "local port 6901 is taken by another program",
    ),
    "tcp-busy-by": (
        outbound_tcp(6901, tries("local-error"), local_port=6901, busy=True, busy_by="msnmsgr"),
        [], "busy", None, "local port 6901 is taken by msnmsgr",
    ),
    "tcp-busy-only-at-first": (
        outbound_tcp(6901, tries("local-error", "answered"), local_port=6901, busy=True),
        [], "open", True, "",
    ),
    "tcp-unavailable": (
        outbound_tcp(1863, (), untested="the echo server does not offer this port"),
        [control(unavailable_tcp=(1863,))], "unavailable", None, "does not offer",
    ),
    "tcp-untested": (
        outbound_tcp(1863, (), untested="the control connection was lost"),
        [], "untested", None, "the control connection was lost",
    ),
    "tcp-not-tried": (outbound_tcp(1863, ()), [], "untested", None, "not tried"),
    # UDP to a certain port
    "udp-answered": (outbound_udp(tries("silent", "answered")), [], "open", True, ""),
    "udp-icmp-port": (outbound_udp(tries("refused", "refused")), [], "refused", False, ""),
    "udp-icmp-prohibited": (
        outbound_udp(tries("unreachable", "unreachable", detail="No route to host")),
        [], "refused", False, "No route",
    ),
    "udp-own-firewall": (
        outbound_udp(tries("local-error", detail=EPERM)), [], "refused", False, EPERM,
    ),
    "udp-silent": (UDP, [], "blocked", False, ""),
    "udp-silent-arrived": (UDP, [ledger(arrived(UDP))], "blocked", True, "no answer came back"),
    "udp-silent-too-few": (outbound_udp(silent(ENOUGH - 1)), [], "unknown", False, "tries"),
    "udp-silent-path-lossy": (UDP, [loss(80)], "unknown", False, "loss"),
    "udp-silent-udp-lossy": (
        UDP, [loss(0, 400, udp_sent=silence.OWN_SAMPLE_MIN, udp_lost=8)], "unknown", False, "loss",
    ),
    "udp-silent-unconfirmed": (UDP, [control(confirmed_at_end=False)], "unknown", None, ""),
    "udp-silent-unconfirmed-arrived": (
        UDP, [control(confirmed_at_end=False), ledger(arrived(UDP))], "unknown", True, "",
    ),
    "udp-silent-ledger-incomplete": (UDP, [ledger(complete=False)], "unknown", None, ""),
    "udp-foreign": (UDP_FOREIGN, [], "intercepted", False, "something other"),
    "udp-foreign-arrived": (
        UDP_FOREIGN, [ledger(arrived(UDP_FOREIGN))], "altered", True, "answer was changed",
    ),
    "udp-altered": (outbound_udp(tries("altered")), [], "altered", False, "changed"),
    "udp-altered-on-the-way-there": (
        UDP, [ledger(arrived(UDP, altered=2))], "altered", True, "changed",
    ),
    "udp-unavailable": (
        outbound_udp((), untested="the echo server does not offer this port"),
        [control(unavailable_udp=(6901,))], "unavailable", None, "does not offer",
    ),
    # UDP from a certain port
    "udp-from-answered": (udp_from_6901(tries("answered")), [], "open", True, ""),
    "udp-from-silent": (FROM_6901, [], "blocked", False, ""),
    "udp-from-silent-arrived": (FROM_6901, [ledger(arrived(FROM_6901))], "blocked", True, ""),
    "udp-from-busy": (
        udp_from_6901((), busy=True, busy_by="skype.exe"),
        [], "busy", None, "local port 6901 is taken by skype.exe",
    ),
    "udp-from-untested": (
        udp_from_6901((), untested="the echo server had no port to open"),
        [], "untested", None, "no port to open",
    ),
}  # fmt: skip

# (the probe, what else is observed, state, part of why)
INBOUND: dict[str, tuple[InboundTcp | InboundUdp, list[AnyObservation], str, str]] = {
    "tcp-answered": (inbound_tcp(1720, tries("silent", "answered"), heard=1), [], "open", ""),
    "tcp-answered-but-not-here": (
        inbound_tcp(1720, tries("answered")), [], "unknown", "nothing arrived here",
    ),
    "tcp-heard": (inbound_tcp(1720, silent(), heard=1), [], "open", ""),
    "tcp-heard-unconfirmed": (
        inbound_tcp(1720, (), heard=1), [control(confirmed_at_end=False)], "open", "",
    ),
    "tcp-reset": (inbound_tcp(1720, tries("refused")), [], "refused", ""),
    "tcp-icmp": (
        inbound_tcp(1720, tries("unreachable", detail="No route to host")),
        [], "refused", "No route",
    ),
    "tcp-silent": (inbound_tcp(1720, silent()), [], "blocked", ""),
    "tcp-silent-too-few": (inbound_tcp(1720, silent(ENOUGH - 1)), [], "unknown", "tries"),
    "tcp-silent-path-lossy": (inbound_tcp(1720, silent()), [loss(80)], "unknown", "loss"),
    "tcp-silent-unconfirmed": (
        inbound_tcp(1720, silent()), [control(confirmed_at_end=False)], "unknown", "echo server",
    ),
    "tcp-silent-ledger-incomplete": (
        inbound_tcp(1720, silent()), [ledger(complete=False)], "unknown", "echo server",
    ),
    "tcp-reset-unconfirmed": (
        inbound_tcp(1720, tries("refused")), [control(confirmed_at_end=False)], "unknown", "",
    ),
    "tcp-foreign": (inbound_tcp(1720, tries("foreign")), [], "intercepted", "another computer"),
    "tcp-mute": (
        inbound_tcp(1720, tries("mute", "mute", "mute", "mute", "mute", "mute")),
        [], "blocked", "let through",
    ),
    "tcp-mute-too-few": (inbound_tcp(1720, tries("mute")), [], "unknown", "tries"),
    "tcp-closed-here": (
        inbound_tcp(1720, tries("closed"), reached=1), [], "refused", "reached this computer",
    ),
    "tcp-altered-here": (
        inbound_tcp(1720, tries("foreign"), reached=1), [], "altered", "reached this computer",
    ),
    "tcp-closed": (inbound_tcp(1720, tries("closed")), [], "intercepted", "another computer"),
    "tcp-busy": (inbound_tcp(1720, (), busy=True), [], "busy", "1720 is taken by another program"),
    "tcp-busy-by": (
        inbound_tcp(1720, (), busy=True, busy_by="conf.exe"),
        [], "busy", "1720 is taken by conf.exe",
    ),
    "tcp-untested": (
        inbound_tcp(1720, (), untested="it needs more rights"), [], "untested", "more rights",
    ),
    "tcp-not-called": (inbound_tcp(1720, ()), [], "untested", "did not call"),
    "udp-heard": (inbound_udp(silent(2), heard=2), [], "open", ""),
    "udp-answered": (inbound_udp(tries("answered"), heard=1), [], "open", ""),
    "udp-answered-but-not-here": (
        inbound_udp(tries("answered")), [], "unknown", "nothing arrived here",
    ),
    "udp-silent": (inbound_udp(silent()), [], "blocked", ""),
    "udp-icmp": (inbound_udp(tries("refused")), [], "refused", ""),
    "udp-too-few": (inbound_udp(silent(2)), [], "unknown", "tries"),
    "udp-busy": (inbound_udp((), busy=True, busy_by="ekiga"), [], "busy", "taken by ekiga"),
    "udp-from-heard": (inbound_udp_from_6901(tries("answered"), heard=1), [], "open", ""),
    "udp-from-silent": (inbound_udp_from_6901(silent()), [], "blocked", ""),
    "udp-from-unconfirmed": (
        inbound_udp_from_6901(silent()), [control(confirmed_at_end=False)], "unknown", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTBOUND)
def test_outbound(name: str) -> None:
    probe, others, state, reached, why = OUTBOUND[name]
    port = judged(network(probe, *others), probe.id)
    assert (port.state, port.reached_server) == (state, reached), port.why
    assert why in port.why
    assert port.direction == "outbound"
    assert port.transport == ("tcp" if isinstance(probe, OutboundTcp) else "udp")
    assert (port.port, port.local_port) == (probe.port, probe.local_port)
    assert port.attempts == len(probe.attempts)


@pytest.mark.parametrize("name", INBOUND)
def test_inbound(name: str) -> None:
    probe, others, state, why = INBOUND[name]
    port = judged(network(probe, *others), probe.id)
    assert port.state == state, port.why
    assert why in port.why
    assert port.direction == "inbound"
    assert port.transport == ("tcp" if isinstance(probe, InboundTcp) else "udp")
    assert (port.port, port.remote_port) == (probe.port, probe.remote_port)
    assert port.attempts == len(probe.calls)
    assert port.reached_server is None


def test_the_states_are_the_contracts() -> None:
    assert set(get_args(PortState)) == STATES


def test_an_open_network_is_all_open() -> None:
    assert {p.state for p in ports.judge(Facts(open_network()), PLAN)} == {"open"}


def test_without_a_ledger_a_proof_is_still_a_proof() -> None:
    """A check in which every probe got its proof does not ask for the ledger."""
    seen = [o for o in open_network() if not isinstance(o, Ledger)]
    outbound = [p for p in ports.judge(Facts(seen), PLAN) if p.direction == "outbound"]
    assert {(p.state, p.reached_server) for p in outbound} == {("open", True)}


def test_without_a_loss_sample_silence_means_nothing() -> None:
    seen = [o for o in network(TCP) if o.id != "loss"]
    assert judged(seen, TCP.id).state == "unknown"


def test_what_was_not_reached_is_untested_and_no_planned_port_is_left_out() -> None:
    found = ports.judge(Facts([control()]), PLAN)
    assert {p.state for p in found} == {"untested"}
    assert all(p.why and p.observation is None for p in found)
    complete = ports.judge(Facts(open_network()), PLAN)

    def key(p: Any) -> tuple[Any, ...]:
        # A UDP packet from a certain port may go to any: its number is not of the plan.
        port = 0 if p.transport == "udp" and p.local_port else p.port
        return (p.direction, p.transport, port, p.local_port)

    planned = {key(p) for p in complete if p.remote_port is None}
    assert {key(p) for p in found} == planned
    assert len(found) == len(planned)


def test_an_observation_takes_the_place_of_what_was_planned() -> None:
    found = ports.judge(Facts([control(), TCP, FROM_6901]), PLAN)
    assert len(found) == len(ports.judge(Facts([control()]), PLAN))
    assert len([p for p in found if p.observation]) == 2


def test_outbound_comes_first_and_ports_are_in_order() -> None:
    found = [
        (p.direction == "inbound", p.transport, p.port)
        for p in ports.judge(Facts(open_network()), PLAN)
    ]
    assert found == sorted(found)


@pytest.mark.parametrize("lost", [0, 1, 2, 5, 10, 20, 50, 100])
def test_blocked_is_said_just_when_loss_cannot_explain_it(lost: int) -> None:
    needed = next(
        n
        for n in range(ENOUGH, 100)
        if silence.chance_of_silence(n, 200, lost) <= silence.CHANCE_MAX
    )
    for count, state in ((needed - 1, "unknown"), (needed, "blocked")):
        probe = outbound_tcp(1863, silent(count))
        assert judged(network(probe, loss(lost)), probe.id).state == state


@given(networks())
def test_any_outcomes_give_a_state_of_the_contract_and_a_reason(
    seen: tuple[AnyObservation, ...],
) -> None:
    for port in ports.judge(Facts(seen), PLAN):
        assert port.state in STATES
        if port.state in ("unknown", "untested", "busy", "intercepted", "altered", "unavailable"):
            assert port.why
            assert "None" not in port.why
        if port.state == "open" and port.direction == "outbound":
            assert port.reached_server is True
        if port.direction == "inbound" or port.state in ("untested", "unavailable"):
            assert port.reached_server is not False


@given(networks(confirmed=False))
def test_where_the_server_did_not_answer_to_the_end_nothing_is_blocked_or_refused(
    seen: tuple[AnyObservation, ...],
) -> None:
    for port in ports.judge(Facts(seen), PLAN):
        assert port.state not in ("blocked", "refused")
        assert port.reached_server is not False


@given(networks())
def test_an_incomplete_ledger_proves_no_silence(seen: tuple[AnyObservation, ...]) -> None:
    broken = [
        msgspec.structs.replace(o, complete=False) if isinstance(o, Ledger) else o for o in seen
    ]
    if any(isinstance(o, Ledger) for o in broken):
        found = ports.judge(Facts(broken), PLAN)
        assert not [p for p in found if p.state in ("blocked", "refused")]
        assert not [p for p in found if p.reached_server is False]


@given(networks())
def test_blocked_takes_enough_tries(seen: tuple[AnyObservation, ...]) -> None:
    for port in ports.judge(Facts(seen), PLAN):
        if port.state == "blocked":
            assert port.attempts >= silence.ATTEMPTS_MIN


@given(
    networks(),
    st.integers(0, 300).flatmap(
        lambda sent: st.tuples(st.just(sent), st.integers(0, sent), st.integers(0, sent))
    ),
    st.sampled_from(["control", "tcp", "udp"]),
)
def test_more_loss_never_turns_unknown_into_blocked(
    seen: tuple[AnyObservation, ...], sample: tuple[int, int, int], where: str
) -> None:
    sent, *lost = sample
    states = []
    for amount in sorted(lost):
        kind = {"control_sent": 100, "control_lost": 0}
        kind |= {f"{where}_sent": sent, f"{where}_lost": amount}
        measured = msgspec.structs.replace(loss(), **kind)
        observed = [measured if o.id == "loss" else o for o in seen]
        states.append([p.state for p in ports.judge(Facts(observed), PLAN)])
    for less, more in zip(*states, strict=True):
        assert less == more or (less, more) == ("blocked", "unknown")


@given(reports())
def test_a_saved_report_however_improbable_is_diagnosed_without_an_exception(saved: Any) -> None:
    found = diagnose(PROFILES, PLAN, saved.observations)
    assert {p.state for p in found.ports} <= STATES
    assert len(found.features) == 10


@given(networks(), st.booleans())
def test_the_whole_diagnosis_bears_any_outcomes(
    seen: tuple[AnyObservation, ...], cancelled: bool
) -> None:
    found = diagnose(PROFILES, PLAN, seen, cancelled=cancelled)
    assert len(found.features) == 10
    assert msgspec.json.decode(msgspec.json.encode(found))["overall"] == found.overall


def test_behind_a_nat_what_comes_from_outside_is_blocked_and_nothing_else() -> None:
    found = ports.judge(Facts(network(*all_inbound(silent()))), PLAN)
    assert {p.state for p in found if p.direction == "inbound"} == {"blocked"}
    assert {p.state for p in found if p.direction == "outbound"} == {"open"}


def test_no_translation_is_claimed_where_the_addresses_agree() -> None:
    translated = outbound_tcp(1863, tries("answered"), source="198.51.100.7:40000")
    assert diagnose(PROFILES, PLAN, open_network()).nat.present is False
    behind = diagnose(PROFILES, PLAN, network(translated)).nat
    assert behind.present is True
    assert set(behind.public_addresses) == {OURS, "198.51.100.7"}
    without = [o for o in open_network() if not isinstance(o, Control)]
    assert diagnose(PROFILES, PLAN, without).nat.present is None
