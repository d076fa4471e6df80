"""What each port is: from the outcomes of its tries to one state of the contract (pure).

``blocked`` is said only when silence cannot be explained otherwise: the server still
answered after the last try, and the loss seen in this run makes so many silences
less likely than ``silence.CHANCE_MAX``.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from netcheck.diagnosis.facts import Facts
from netcheck.plan import Plan
from netcheck.report.model import Direction, Port, PortState
from probes import silence
from probes.observation import (
    Attempt,
    InboundTcp,
    InboundUdp,
    OutboundTcp,
    OutboundUdp,
    Transport,
)

_OWN_REFUSAL = ("not permitted", "permission", "denied")


class Judged(msgspec.Struct, frozen=True):
    state: PortState
    why: str = ""


def judge(facts: Facts, plan: Plan) -> list[Port]:
    """Every port of the plan with its state, in the order of the contract's reading."""
    seen = [
        *(_outbound_tcp(facts, o) for o in facts.outbound_tcp),
        *(_outbound_udp(facts, o) for o in facts.outbound_udp),
        *(_inbound(facts, o, "tcp") for o in facts.inbound_tcp),
        *(_inbound(facts, o, "udp") for o in facts.inbound_udp),
    ]
    missing = [p for p in _planned(plan) if not any(_same(p, s) for s in seen)]
    return sorted(
        [*seen, *missing],
        key=lambda p: (p.direction == "inbound", p.transport, p.port, p.local_port or 0),
    )


def _planned(plan: Plan) -> list[Port]:
    """The plan's ports, as they are when nothing was tried."""

    def untested(
        transport: Transport, direction: Direction, port: int, local_port: int | None = None
    ) -> Port:
        return Port(
            transport=transport,
            direction=direction,
            port=port,
            local_port=local_port,
            state="untested",
            why="it was not reached before the check ended",
        )

    return [
        *(untested("tcp", "outbound", port) for port in plan.outbound_tcp),
        *(untested("tcp", "outbound", p, local_port=local) for p, local in plan.from_local),
        *(untested("udp", "outbound", entry.port) for entry in plan.udp),
        *(untested("udp", "outbound", e.port, local_port=e.port) for e in plan.udp),
        *(untested("tcp", "inbound", port) for port in plan.inbound_tcp),
        *(untested("udp", "inbound", entry.port) for entry in plan.udp),
    ]


def _same(planned: Port, seen: Port) -> bool:
    """UDP from a certain port goes to any port of the server's: only the source counts."""
    any_port = planned.transport == "udp" and planned.local_port is not None
    return (
        planned.transport == seen.transport
        and planned.direction == seen.direction
        and planned.local_port == seen.local_port
        and seen.remote_port is None
        and (any_port or planned.port == seen.port)
    )


def _outbound_tcp(facts: Facts, o: OutboundTcp) -> Port:
    judged = _before_trying(facts, "tcp", o) or _tcp_outcome(facts, o)
    return _port(facts, o, "tcp", judged)


def _outbound_udp(facts: Facts, o: OutboundUdp) -> Port:
    judged = _before_trying(facts, "udp", o) or _udp_outcome(facts, o)
    return _port(facts, o, "udp", judged)


def _port(facts: Facts, o: OutboundTcp | OutboundUdp, transport: Transport, judged: Judged) -> Port:
    reached: bool | None = None
    as_other_bytes = judged.state == "altered" and transport == "tcp" and _garbled(facts, o.port)
    if judged.state == "open" or as_other_bytes or facts.arrivals(transport, o.number):
        reached = True
    elif judged.state not in ("untested", "unavailable", "busy") and facts.ledger is not None:
        reached = False if facts.ledger.complete and facts.trusted_silence else None
    return Port(
        transport=transport,
        direction="outbound",
        port=o.port,
        state=judged.state,
        local_port=o.local_port,
        rtt_ms=o.rtt_ms,
        attempts=len(o.attempts),
        reached_server=reached,
        why=judged.why,
        observation=o.id,
    )


def _before_trying(
    facts: Facts, transport: Transport, o: OutboundTcp | OutboundUdp
) -> Judged | None:
    """What is known without any try: the port is not offered, is taken here, or was not tried."""
    control = facts.control
    if control:
        missing = control.unavailable_tcp if transport == "tcp" else control.unavailable_udp
        if o.port in missing and not o.attempts:
            return Judged("unavailable", "the echo server does not offer this port")
    if o.untested:
        return Judged("untested", o.untested)
    if o.busy and not any(a.outcome == "answered" for a in o.attempts):
        return Judged("busy", _taken(o.local_port, o.busy_by))
    return None


def _taken(port: int | None, by: str | None) -> str:
    where = f"local port {port}" if port else "the local port"
    return f"{where} is taken by {by}" if by else f"{where} is taken by another program"


def _tcp_outcome(facts: Facts, o: OutboundTcp) -> Judged:
    outcomes = Counter(a.outcome for a in o.attempts)
    if outcomes["answered"]:
        return Judged("open", f"it arrived on port {o.arrived_on}" if o.arrived_on else "")
    if not o.attempts:
        return Judged("untested", "it was not tried")
    arrivals = facts.arrivals("tcp", o.number)
    garbled = _garbled(facts, o.port)
    if outcomes["altered"] or any(a.altered for a in arrivals):
        return Judged("altered", _detail(o.attempts, "altered") or "bytes were changed on the way")
    if not facts.trusted_silence:
        return Judged("unknown", _untrusted(facts))
    if outcomes["foreign"]:
        if arrivals or garbled:
            return Judged(
                "altered", "it reached the echo server, and bytes were changed on the way"
            )
        return Judged("intercepted", "something other than the echo server answered")
    if outcomes["mute"] or outcomes["closed"]:
        return _accepted_without_answer(facts, o, bool(arrivals), garbled)
    return _refused_or_silent(facts, "tcp", o.attempts)


def _garbled(facts: Facts, port: int) -> bool:
    return facts.ledger is not None and port in facts.ledger.garbled


def _accepted_without_answer(facts: Facts, o: OutboundTcp, arrived: bool, garbled: bool) -> Judged:
    """Something shook hands and then gave no answer; the server's record says who it was."""
    closed = any(a.outcome == "closed" for a in o.attempts)
    if garbled:
        return Judged("altered", "it reached the echo server as other bytes")
    if not closed:
        # Whoever accepted it, the server or a box before it, cannot be told from silence.
        if not _means_blocked(facts, "tcp", o.attempts):
            return Judged("unknown", _lossy(facts, "tcp", o.attempts))
        if arrived:
            return Judged("blocked", "it reached the echo server, and the answer was kept back")
        return Judged("blocked", "the connection was let through, and what it carried was not")
    accepted = facts.ledger is not None and o.port in facts.ledger.accepted
    if arrived or accepted:
        return Judged("refused", "it was let through, and ended before the answer came")
    return Judged(
        "intercepted", "something on the way accepted the connection in the server's place"
    )


def _udp_outcome(facts: Facts, o: OutboundUdp) -> Judged:
    outcomes = Counter(a.outcome for a in o.attempts)
    if outcomes["answered"]:
        return Judged("open")
    if not o.attempts:
        return Judged("untested", "it was not tried")
    arrivals = facts.arrivals("udp", o.number)
    if outcomes["altered"] or any(a.altered for a in arrivals):
        return Judged("altered", _detail(o.attempts, "altered") or "bytes were changed on the way")
    if not facts.trusted_silence:
        return Judged("unknown", _untrusted(facts))
    if outcomes["foreign"]:
        if arrivals:
            return Judged(
                "altered", "it reached the echo server, and the answer was changed on the way"
            )
        return Judged("intercepted", "something other than the echo server answered")
    judged = _refused_or_silent(facts, "udp", o.attempts)
    if judged.state == "blocked" and arrivals:
        return Judged("blocked", "it reached the echo server, and no answer came back")
    return judged


def _inbound(facts: Facts, o: InboundTcp | InboundUdp, transport: Transport) -> Port:
    judged = _inbound_outcome(facts, o, transport)
    return Port(
        transport=transport,
        direction="inbound",
        port=o.port,
        state=judged.state,
        remote_port=o.remote_port,
        rtt_ms=o.rtt_ms,
        attempts=len(o.calls),
        why=judged.why,
        observation=o.id,
    )


def _inbound_outcome(facts: Facts, o: InboundTcp | InboundUdp, transport: Transport) -> Judged:
    outcomes = Counter(a.outcome for a in o.calls)
    if o.heard:
        return Judged("open")
    if outcomes["answered"]:
        return Judged("unknown", "the echo server was answered, and nothing arrived here")
    if o.busy:
        return Judged("busy", _taken(o.port, o.busy_by))
    if o.untested:
        return Judged("untested", o.untested)
    if not o.calls:
        return Judged("untested", "the echo server did not call")
    if not facts.trusted_silence:
        return Judged("unknown", _untrusted(facts))
    if o.reached and outcomes["foreign"]:
        return Judged("altered", "it reached this computer, and bytes were changed on the way")
    if o.reached and outcomes["closed"]:
        return Judged("refused", "it reached this computer, and was ended before the answer came")
    if outcomes["foreign"] or outcomes["closed"]:
        return Judged("intercepted", "another computer or program answered at the public address")
    if outcomes["mute"]:
        if not _means_blocked(facts, transport, o.calls):
            return Judged("unknown", _lossy(facts, transport, o.calls))
        return Judged("blocked", "the connection was let through, and what it carried was not")
    return _refused_or_silent(facts, transport, o.calls)


def _refused_or_silent(facts: Facts, transport: Transport, attempts: tuple[Attempt, ...]) -> Judged:
    outcomes = Counter(a.outcome for a in attempts)
    if outcomes["refused"]:
        return Judged("refused")
    if outcomes["unreachable"]:
        return Judged("refused", _detail(attempts, "unreachable"))
    if outcomes["local-error"]:
        detail = _detail(attempts, "local-error")
        if any(word in detail.lower() for word in _OWN_REFUSAL):
            return Judged("refused", f"by this computer: {detail}")
        return Judged("unknown", f"this computer did not send it: {detail}")
    if _means_blocked(facts, transport, attempts):
        return Judged("blocked")
    return Judged("unknown", _lossy(facts, transport, attempts))


def _unanswered(attempts: tuple[Attempt, ...]) -> int:
    return sum(a.outcome in ("silent", "mute") for a in attempts)


def _means_blocked(facts: Facts, transport: Transport, attempts: tuple[Attempt, ...]) -> bool:
    count = _unanswered(attempts)
    return silence.rules_out_loss(count, facts.chance_of_silence(transport, count))


def _lossy(facts: Facts, transport: Transport, attempts: tuple[Attempt, ...]) -> str:
    count = _unanswered(attempts)
    chance = facts.chance_of_silence(transport, count)
    return f"{count} tries were silent; loss alone explains that with a chance of {chance:.2g}"


def _untrusted(facts: Facts) -> str:
    if facts.control is None or not facts.control.connected:
        return "the echo server was not reached"
    if facts.control.confirmed_at_end:
        return "the echo server could not look at every packet, so no answer proves nothing"
    return "the echo server did not answer to the end of the check, so no answer proves nothing"


def _detail(attempts: tuple[Attempt, ...], outcome: str) -> str:
    return next((a.detail for a in attempts if a.outcome == outcome and a.detail), "")
