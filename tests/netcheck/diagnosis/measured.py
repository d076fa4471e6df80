"""What the probes would state: an open network, and single observations to replace in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import strategies as st

from netcheck import plan, profile
from netcheck.diagnosis import ports
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Port
from probes import silence
from probes.observation import (
    AnyObservation,
    Arrival,
    AtOnce,
    Attempt,
    AttemptOutcome,
    Control,
    ControlAttempt,
    InboundTcp,
    InboundUdp,
    Ledger,
    LocalFacts,
    Loss,
    NameLookup,
    OutboundTcp,
    OutboundUdp,
    Portal,
    Transport,
)

PROFILES = profile.built_in()
PLAN = plan.make(PROFILES)
TRANSFER_PORTS = tuple(range(6891, 6901))

OURS = "192.168.1.20"
PUBLIC = "198.51.100.7"
SERVER = "192.0.2.10"

ENOUGH = silence.ATTEMPTS_MIN
"""Silences that mean something where nothing else is lost."""

OUTCOMES: tuple[AttemptOutcome, ...] = (
    "answered",
    "refused",
    "unreachable",
    "closed",
    "mute",
    "foreign",
    "altered",
    "silent",
    "local-error",
)


def tries(*outcomes: AttemptOutcome, detail: str = "") -> tuple[Attempt, ...]:
    return tuple(
        Attempt(at_s=0.1 * n, outcome=outcome, took_s=0.02, detail=detail)
        for n, outcome in enumerate(outcomes)
    )


def silent(count: int = ENOUGH) -> tuple[Attempt, ...]:
    return tries(*repeated("silent", count))


def repeated(outcome: AttemptOutcome, count: int = ENOUGH) -> tuple[AttemptOutcome, ...]:
    return (outcome,) * count


def outbound_tcp(
    port: int, attempts: tuple[Attempt, ...], *, local_port: int | None = None, **more: Any
) -> OutboundTcp:
    return OutboundTcp(
        id=f"outbound-tcp-{port}" + (f"-from-{local_port}" if local_port else ""),
        at_s=0.1,
        took_s=0.1,
        port=port,
        number=port + (1 if local_port else 0),
        local_port=local_port,
        attempts=attempts,
        **more,
    )


def outbound_udp(attempts: tuple[Attempt, ...], **more: Any) -> OutboundUdp:
    """To UDP 6901 from any port."""
    return _udp("outbound-udp-6901", 6901, None, attempts, **more)


def udp_from_6901(attempts: tuple[Attempt, ...], **more: Any) -> OutboundUdp:
    """From UDP 6901 to a port that the server chose."""
    return _udp("outbound-udp-any-from-6901", 40001, 6901, attempts, any_port=True, **more)


def _udp(
    name: str, port: int, local_port: int | None, attempts: tuple[Attempt, ...], **more: Any
) -> OutboundUdp:
    return OutboundUdp(
        id=name,
        at_s=0.1,
        took_s=0.1,
        port=port,
        number=port,
        local_port=local_port,
        attempts=attempts,
        **more,
    )


def inbound_tcp(port: int, calls: tuple[Attempt, ...], **more: Any) -> InboundTcp:
    return InboundTcp(
        id=f"inbound-tcp-{port}",
        at_s=0.1,
        took_s=0.1,
        port=port,
        number=port - 1000,
        calls=calls,
        **({"address": PUBLIC} | more),
    )


def inbound_udp(calls: tuple[Attempt, ...], **more: Any) -> InboundUdp:
    """To UDP 6901 from any port of the server's."""
    return InboundUdp(
        id="inbound-udp-6901",
        at_s=0.1,
        took_s=0.1,
        port=6901,
        number=1,
        calls=calls,
        **({"address": PUBLIC} | more),
    )


def inbound_udp_from_6901(calls: tuple[Attempt, ...], **more: Any) -> InboundUdp:
    """To any port of ours from the server's UDP 6901."""
    return InboundUdp(
        id="inbound-udp-any-from-6901",
        at_s=0.1,
        took_s=0.1,
        port=50123,
        number=2,
        calls=calls,
        remote_port=6901,
        **({"address": PUBLIC} | more),
    )


def control(**more: Any) -> Control:
    usual: dict[str, Any] = {
        "host": "echo.example.net",
        "attempts": (ControlAttempt(port=8463, outcome="connected"),),
        "connected": True,
        "server_address": SERVER,
        "local_address": OURS,
        "observed_address": f"{OURS}:40000",
        "confirmed_at_end": True,
        "certificate": "pinned",
    }
    return Control(id="control", at_s=0.0, took_s=2.0, **(usual | more))


def unreached(*attempts: ControlAttempt, **more: Any) -> Control:
    """No way to the server was found."""
    given = attempts or (ControlAttempt(port=8463, outcome="silent"),)
    return control(
        **(
            {
                "attempts": given,
                "connected": False,
                "confirmed_at_end": False,
                "server_address": None,
                "local_address": None,
                "observed_address": None,
            }
            | more
        )
    )


def loss(lost: int = 0, sent: int = 200, **more: Any) -> Loss:
    return Loss(id="loss", at_s=0.0, took_s=2.0, control_sent=sent, control_lost=lost, **more)


def ledger(*arrivals: Arrival, **more: Any) -> Ledger:
    return Ledger(
        id="ledger", at_s=1.9, took_s=0.1, arrivals=arrivals, **({"complete": True} | more)
    )


def arrived(observation: OutboundTcp | OutboundUdp, **more: Any) -> Arrival:
    """The ledger's line for an outbound probe."""
    transport: Transport = "tcp" if isinstance(observation, OutboundTcp) else "udp"
    line: dict[str, Any] = {"source": f"{PUBLIC}:40000", "count": 1} | more
    return Arrival(transport=transport, port=observation.port, number=observation.number, **line)


def portal(outcome: Any = "redirected") -> Portal:
    return Portal(
        id="portal", at_s=1.0, took_s=0.1, outcome=outcome, location="http://login.example/"
    )


def lookup(outcome: Any = "no-such-name", **more: Any) -> NameLookup:
    return NameLookup(
        id="dns", at_s=0.0, took_s=0.1, name="echo.example.net", outcome=outcome, **more
    )


def open_network() -> tuple[AnyObservation, ...]:
    """Everything that a check states where nothing is in the way."""
    yes = tries("answered")
    return (
        LocalFacts(id="local", at_s=0.0, took_s=0.01, hostname="study-pc", system="Linux"),
        *(outbound_tcp(port, yes, source=f"{OURS}:40000") for port in PLAN.outbound_tcp),
        *(
            outbound_tcp(port, yes, local_port=local, source=f"{OURS}:{local}")
            for port, local in PLAN.from_local
        ),
        outbound_udp(yes, source=f"{OURS}:40000"),
        udp_from_6901(yes, source=f"{OURS}:6901"),
        *(inbound_tcp(port, yes, heard=1) for port in PLAN.inbound_tcp),
        inbound_udp(yes, heard=1),
        inbound_udp_from_6901(yes, heard=1),
        at_once(TRANSFER_PORTS),
        control(),
        loss(),
        ledger(),
    )


def at_once(carried: Iterable[int], *, settled: bool = True) -> AtOnce:
    return AtOnce(
        id="at-once-6891-6900",
        at_s=0.5,
        took_s=0.1,
        ports=TRANSFER_PORTS,
        carried=tuple(carried),
        settled=settled,
    )


def network(*changes: AnyObservation) -> tuple[AnyObservation, ...]:
    """The open network with the observations of these ids replaced, or added."""
    replaced = {o.id: o for o in changes}
    kept = tuple(replaced.pop(o.id, o) for o in open_network())
    return (*kept, *replaced.values())


def all_inbound(
    calls: tuple[Attempt, ...], *, tcp: Iterable[int] | None = None
) -> tuple[AnyObservation, ...]:
    """Every call from outside has this outcome."""
    return (
        *(inbound_tcp(port, calls) for port in (PLAN.inbound_tcp if tcp is None else tcp)),
        inbound_udp(calls),
        inbound_udp_from_6901(calls),
    )


def judged(observations: Iterable[AnyObservation], name: str) -> Port:
    """The port that rests on the observation ``name``."""
    (port,) = (p for p in ports.judge(Facts(observations), PLAN) if p.observation == name)
    return port


attempts = st.lists(st.sampled_from(OUTCOMES), max_size=silence.ATTEMPTS_MAX).flatmap(
    lambda outcomes: st.sampled_from(["", "Operation not permitted", "No route to host"]).map(
        lambda detail: tries(*outcomes, detail=detail)
    )
)
"""Any outcomes of any number of tries."""

_OUTBOUND = st.fixed_dictionaries(
    {
        "attempts": attempts | st.just(silent()),
        "source": st.sampled_from([None, f"{PUBLIC}:6901", f"{PUBLIC}:50001"]),
        "busy": st.booleans(),
        "untested": st.sampled_from(["", "", "the control connection was lost"]),
        "arrived_on": st.sampled_from([None, 80]),
    }
)
_INBOUND = st.fixed_dictionaries(
    {
        "calls": attempts | st.just(silent()),
        "heard": st.sampled_from([0, 0, 0, 2]),
        "busy": st.sampled_from([False, False, True]),
        "untested": st.sampled_from(["", "", "it was not opened"]),
    }
)
_PROBED = tuple(
    o for o in open_network() if isinstance(o, (OutboundTcp, OutboundUdp, InboundTcp, InboundUdp))
)
_SOME_PORTS = st.sets(st.sampled_from(PLAN.outbound_tcp), max_size=4).map(tuple)


@st.composite
def networks(draw: st.DrawFn, *, confirmed: bool | None = None) -> tuple[AnyObservation, ...]:
    """Any outcomes of some probes, under any circumstances."""
    changes: list[AnyObservation] = []
    for o in draw(st.lists(st.sampled_from(_PROBED), max_size=8, unique_by=lambda o: o.id)):
        more: dict[str, Any] = draw(
            _OUTBOUND if isinstance(o, (OutboundTcp, OutboundUdp)) else _INBOUND
        )
        changes.append(msgspec.structs.replace(o, **more))
    reached = draw(st.booleans())
    changes.append(
        control(
            connected=reached,
            confirmed_at_end=reached and draw(st.booleans()) if confirmed is None else confirmed,
            unavailable_tcp=draw(st.sampled_from([(), (522, 6891)])),
            unavailable_udp=draw(st.sampled_from([(), (6901,)])),
            via_proxy=draw(st.sampled_from([None, "http://proxy.example:3128"])),
        )
    )
    sent = draw(st.integers(0, 300))
    changes.append(loss(draw(st.integers(0, sent)), sent))
    noted = [o for o in changes if isinstance(o, (OutboundTcp, OutboundUdp))]
    changes.append(
        ledger(
            *(
                arrived(o, altered=altered)
                for o in noted
                if (altered := draw(st.sampled_from([None, 0, 1]))) is not None
            ),
            complete=draw(st.booleans()),
            accepted=draw(_SOME_PORTS),
            garbled=draw(_SOME_PORTS),
        )
    )
    carried = draw(st.sets(st.sampled_from(TRANSFER_PORTS)))
    changes.append(at_once(carried, settled=draw(st.booleans())))
    whole = network(*changes)
    left_out = draw(st.sets(st.sampled_from([o.id for o in whole]), max_size=4))
    return tuple(o for o in whole if o.id not in left_out or o.id == "control")
