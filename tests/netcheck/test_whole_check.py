"""A check with all its parts: against honest servers, STUN servers, and servers that lie."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from netcheck import diagnosis, plan
from netcheck.check import Event, Observed, Progress
from netcheck.cli.check import EXIT
from netcheck.measure import record, voice
from netcheck.measure.editors import spoken
from netcheck.report import json as as_json
from netcheck.report.model import Report
from netcheck.report.read import parse
from netcheck.server.embedded import embedded
from netcheck.server.serve import EchoServer, ServerConfig
from netcheck.server.session import Session
from probes.local import interfaces, nat64
from probes.observation import (
    BindingLifetime,
    DynamicRange,
    Hops,
    LocalFacts,
    MediaStream,
    Nat64,
    NatHairpin,
    NatMapping,
    Observation,
    Punched,
    StunSeen,
    Talk,
)
from probes.wire import messages
from probes.wire.frame import Endpoint
from probes.wire.link import Link
from probes.wire.stun import OTHER_PORT, PORT

from . import hostile
from .loopback import address
from .test_check import BOUND_S, PROFILES, PROMPT_S, cancelled_after, checking, sound

PLAN = plan.make(PROFILES, "default")
WHOLE_S = 6.0
"""A default check on a path that loses nothing; three seconds of it are media."""

WHOLE_BOUND_S = 22.0
"""The longest a whole check may take, whatever the server does: eleven seconds until calls that
are never made are given up, and seven until the trial of an idle connection is."""

AT_ONCE = 6
"""Checks of lying servers side by side: more keep the computer itself too busy."""

STATED_ONCE = {
    "local", "control", "loss", "nat64",
    *(f"outbound-tcp-{port}" for port in PLAN.outbound_tcp),
    *(f"inbound-tcp-{port}" for port in PLAN.inbound_tcp),
    "outbound-tcp-6901-from-6901", "at-once-6891-6900",
    "outbound-udp-6901", "outbound-udp-any-from-6901",
    "inbound-udp-6901", "inbound-udp-any-from-6901",
    "nat-mapping-udp", "nat-mapping-tcp", "nat-filtering-udp", "nat-filtering-tcp",
    "nat-ports-udp", "nat-hairpin", "tcp-simultaneous-open", "binding-lifetime-udp",
    "fragments-outbound", "fragments-outbound-out-of-order", "fragments-both",
    "path-mtu", "icmp-errors", "hops-open-udp",
    *(f"talk-{one.name}-{at}" for _, one in spoken() for at in (*one.ports, "control")),
    "call-outbound", "call-inbound", "invited",
    "dynamic-udp", "dynamic-tcp",
    "media-audio-outbound", "media-audio-inbound",
    "media-video-outbound", "media-video-inbound",
}  # fmt: skip
"""By a default check where nothing is translated and nothing is blocked."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that one certificate serves all."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module", autouse=True)
def _nobody_outside() -> Iterator[None]:
    """No gateway and no resolver of the computer that runs the tests is asked anything."""
    look = interfaces.look

    def without_gateways(at_s: float, proxies: dict[str, str]) -> LocalFacts:
        return msgspec.structs.replace(look(at_s, proxies), gateways=())

    async def no_nat64(now: Any) -> Nat64:
        return Nat64(id="nat64", at_s=now(), took_s=0.0, outcome="none")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interfaces, "look", without_gateways)
        patch.setattr(nat64, "look", no_nat64)
        yield


@asynccontextmanager
async def served(
    folder: Path, *at: str, stun: int | None = PORT, editors: bool = False
) -> AsyncIterator[Link]:
    """A real echo server with everything that a check may ask it for."""
    config = ServerConfig(
        listen=at,
        control_ports=(0,),
        tcp_ports=PLAN.tcp_ports,
        udp_ports=PLAN.udp_ports,
        stun_port=stun,
        editors=editors,
        data_dir=folder,
    )
    server = EchoServer(config)
    await server.start()
    try:
        yield server.links()[0]
    finally:
        await server.close()


def of(report: Report, kind: type[Observation]) -> list[Any]:
    return [o for o in report.observations if isinstance(o, kind)]


def diagnosed_again(report: Report, made: plan.Plan) -> diagnosis.Diagnosis:
    """From nothing but the file."""
    saved = parse(as_json.render(report).encode())
    return diagnosis.diagnose(PROFILES, made, saved.observations)


# An honest server


async def test_everything_planned_is_stated_once_and_in_time(folder: Path) -> None:
    events: list[Event] = []
    async with served(folder, address(), address()) as link:
        report = await checking(link, events, depth="default").run()
    sound(report)
    assert report.complete
    assert report.duration_s < WHOLE_S
    ids = [o.id for o in report.observations]
    assert len(ids) == len(set(ids))
    # A TCP connection's lifetime is asked for where the time of the check allows for it.
    assert set(ids) - {"ledger", "binding-lifetime-tcp"} == STATED_ONCE
    assert {e.observation.id for e in events if isinstance(e, Observed)} == set(ids)
    assert report.nat.present is False
    assert report.nat.mapping == report.nat.filtering == "endpoint-independent"
    assert report.nat.tcp_mapping == report.nat.tcp_filtering == "endpoint-independent"
    assert [hop.place for hop in report.path] == ["server"]
    assert report.dynamic_udp is not None
    assert report.dynamic_tcp is not None
    assert report.dynamic_udp.fraction == report.dynamic_tcp.fraction == 1.0
    assert {(s.kind, s.direction) for s in report.media if s.received} == {
        (kind, direction) for kind in ("audio", "video") for direction in ("outbound", "inbound")
    }
    assert {f.severity for f in report.findings} <= {"info"}


async def test_the_plan_counts_what_the_record_counts(folder: Path) -> None:
    events: list[Event] = []
    async with served(folder, address(), address()) as link:
        report = await checking(link, events, depth="default").run()
    progress = [e for e in events if isinstance(e, Progress)]
    assert report.complete
    assert {p.total for p in progress} == {PLAN.steps}
    done = [p.done for p in progress]
    assert done == sorted(done)
    assert done[-1] == PLAN.steps
    # What is told is cut off at the total, and at the end it is the total: so count anew.
    assert sum(isinstance(o, record._STEPS) for o in report.observations) == PLAN.steps


async def test_a_saved_check_is_diagnosed_again_with_the_same_result(folder: Path) -> None:
    async with served(folder, address(), address()) as link:
        report = await checking(link, depth="default").run()
    again = diagnosed_again(report, PLAN)
    for name in (
        "overall", "features", "ports", "findings", "dynamic_udp", "dynamic_tcp", "nat", "path",
        "media", "host", "server",
    ):  # fmt: skip
        assert getattr(again, name) == getattr(report, name), name


SPOKEN_BY_ANYBODY = {
    f"talk-{one.name}-{port if port >= 1024 else 'control'}"
    for _, one in spoken()
    if max(one.ports) >= 1024
    for port in one.ports
}
"""Dialogues on ports that a server need not be root for; the others may be spoken too."""


async def test_other_protocols_are_spoken_beside_all_else(folder: Path) -> None:
    async with served(folder, address(), address(), editors=True) as link:
        report = await checking(link, depth="default").run()
    sound(report)
    assert report.duration_s < WHOLE_S
    talks = {t.id: t for t in of(report, Talk)}
    assert set(talks) == {name for name in STATED_ONCE if name.startswith("talk-")}
    assert {t.outcome for t in talks.values()} <= {"talked", "untested"}
    for name in SPOKEN_BY_ANYBODY:
        talk = talks[name]
        assert (talk.outcome, talk.tries, talk.untested) == ("talked", 0, "")
        assert all(each.heard for each in talk.followed)
        for heard in (talk.out, talk.back):
            assert heard.expected == len(heard.kinds)
            assert (heard.changed, heard.faults) == (False, ())


@pytest.mark.parametrize("seconds", [0.15, 0.25, 0.4, 0.8, 1.6])
async def test_dialogues_are_cancelled_at_any_moment(folder: Path, seconds: float) -> None:
    async with served(folder, address(), editors=True) as link:
        check = checking(link, depth="default", only=frozenset({"ports", "editors"}))
        await cancelled_after(check, seconds)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()  # what was left open says so now


@pytest.mark.parametrize("seconds", [0.03, 0.11, 0.27, 0.5, 0.9, 1.7, 2.9, 3.3])
async def test_a_whole_check_is_cancelled_at_any_moment(folder: Path, seconds: float) -> None:
    async with served(folder, address(), address()) as link:
        report = await cancelled_after(checking(link, depth="default"), seconds)
    assert "server-unreachable" not in {f.cause for f in report.findings}
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()  # what was left open says so now


async def test_a_profile_without_media_gets_none(folder: Path) -> None:
    chosen = tuple(p for p in PROFILES if p.id == "msn-messenger")
    async with served(folder, address(), address()) as link:
        report = await checking(link, depth="default", profiles=chosen).run()
    sound(report)
    assert not of(report, MediaStream)
    assert not of(report, DynamicRange)
    assert of(report, NatMapping)
    assert report.media == []
    assert report.dynamic_udp is None


async def test_alone_only_the_ports_are_tested() -> None:
    async with embedded(PLAN.tcp_ports, PLAN.udp_ports) as (link, bind):
        report = await checking(link, embedded=True, bind=bind, depth="default").run()
    sound(report)
    new = {"nat-mapping", "media", "dynamic-range", "hops", "stun", "nat64", "port-mappers"}
    assert not new & {str(o.__struct_config__.tag) for o in report.observations}
    assert {p.state for p in report.ports} == {"open"}


async def test_a_server_without_stun_leaves_the_nat_unknown(folder: Path) -> None:
    events: list[Event] = []
    async with served(folder, address(), stun=None) as link:
        report = await checking(link, events, depth="default", only=frozenset({"nat"})).run()
    sound(report)
    assert not of(report, NatMapping)
    assert (report.nat.mapping, report.nat.filtering) == ("unknown", "unknown")
    last = next(e for e in reversed(events) if isinstance(e, Progress))
    assert last.done == last.total


# STUN servers


def asking(*servers: str, **options: Any) -> Any:
    links = tuple(Link(server, (PORT,)) for server in servers)
    chosen: dict[str, Any] = {"only": frozenset({"nat"}), "depth": "default", **options}
    return checking(None, stun=links, **chosen)  # type: ignore[arg-type]


async def test_a_stun_server_shows_how_the_nat_behaves(folder: Path) -> None:
    one, two = address(), address()
    async with served(folder, one, two):
        report = await asking(one, two).run()
    sound(report)
    (seen,) = of(report, StunSeen)
    assert seen.other_used
    assert report.server.reached
    assert report.server.host == f"{one}:{PORT}"
    assert report.nat.mapping == report.nat.filtering == "endpoint-independent"
    assert report.nat.tcp_mapping == "endpoint-independent"
    assert "STUN server" in report.note
    assert {f.verdict for f in report.features} == {"unknown"}
    assert EXIT[report.overall] == 3
    assert report.duration_s < WHOLE_S


async def test_an_address_that_only_the_stun_server_names_is_not_sent_to(folder: Path) -> None:
    one, two = address(), address()
    async with served(folder, one, two):
        report = await asking(one).run()
    (seen,) = of(report, StunSeen)
    assert seen.other_address is not None
    assert not seen.other_used
    asked = {m.destination.rpartition(":")[0] for o in of(report, NatMapping) for m in o.seen}
    assert asked == {one}


async def test_nobody_answers_there() -> None:
    at = address()
    report = await asking(at).run()
    sound(report)
    (finding,) = report.findings
    assert finding.cause == "server-unreachable"
    assert (finding.parameters["server_host"], finding.parameters["ports"]) == (at, [PORT])
    assert not report.server.reached
    assert EXIT[report.overall] == 3


@pytest.fixture(scope="module")
def stun_lied_to() -> dict[str, Report | BaseException]:
    """All at the same time: they do little but wait."""

    async def met(name: str) -> Report | BaseException:
        at = address()
        try:
            async with hostile.stun_liar(at, hostile.STUN_ANSWERS[name]), asyncio.timeout(BOUND_S):
                report: Report = await asking(at).run()
                return report
        except Exception as error:  # for the test of that name to show
            return error

    async def all_of_them() -> dict[str, Report | BaseException]:
        found = await asyncio.gather(*map(met, hostile.STUN_ANSWERS))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return dict(zip(hostile.STUN_ANSWERS, found, strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", hostile.STUN_ANSWERS)
def test_what_a_stun_server_may_say_instead(
    stun_lied_to: dict[str, Report | BaseException], name: str
) -> None:
    report = stun_lied_to[name]
    if isinstance(report, BaseException):
        raise report
    sound(report)
    assert report.complete
    assert (report.nat.mapping, report.nat.filtering) == ("unknown", "unknown")
    assert report.nat.hairpin is None
    assert EXIT[report.overall] == 3
    if name not in ("no-address", "error"):
        assert [f.cause for f in report.findings] == ["server-unreachable"]


_IP_RECVTTL = 12  # linux/in.h; the socket module has no name for it


class Watch:
    """UDP sockets of somebody who has nothing to do with the check: what came, how far it
    could have gone, and who tried to connect."""

    def __init__(self, *where: tuple[str, int]) -> None:
        self.sockets: list[socket.socket] = []
        self.listeners: list[socket.socket] = []
        for to in where:
            self.sockets.append(self._bound(to, socket.SOCK_DGRAM, self.sockets))
            self.listeners.append(self._bound(to, socket.SOCK_STREAM, self.listeners))
            self.listeners[-1].listen()
            if sys.platform == "linux":
                self.sockets[-1].setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)

    @staticmethod
    def _bound(to: tuple[str, int], kind: int, others: list[socket.socket]) -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind)
        sock.setblocking(False)
        sock.bind(to)
        return sock

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        for sock in (*self.sockets, *self.listeners):
            sock.close()

    def heard(self) -> list[tuple[int, int]]:
        """The size and the hop limit of each datagram; the latter where the system tells."""
        found = []
        for sock in self.sockets:
            while True:
                ttl = 0
                try:
                    if sys.platform == "linux":
                        data, control, _, _ = sock.recvmsg(2048, 64)
                        ttl = int.from_bytes(control[0][2][:4], sys.byteorder)
                    else:
                        data = sock.recv(2048)
                except BlockingIOError:
                    break
                found.append((len(data), ttl))
        return found

    def called(self) -> int:
        count = 0
        for sock in self.listeners:
            try:
                sock.accept()[0].close()
                count += 1
            except BlockingIOError:
                pass
        return count


async def test_whoever_a_stun_server_names_gets_few_packets_that_go_not_far() -> None:
    at, victim, other = address(), address(), address()
    answer = hostile.naming(Endpoint(victim, 40000), Endpoint(other, OTHER_PORT))
    with Watch((victim, 40000), (other, PORT), (other, OTHER_PORT)) as watch:
        async with hostile.stun_liar(at, answer), asyncio.timeout(BOUND_S):
            report = await asking(at).run()
        heard = watch.heard()
        assert watch.called() == 0
    sound(report)
    assert len(heard) <= 10
    assert all(size <= 20 and ttl <= 8 for size, ttl in heard)
    (hairpin,) = of(report, NatHairpin)
    assert hairpin.heard == 0
    own = [h for h in of(report, Hops) if h.aim == "own-address"]
    assert all(hop.ttl <= 8 for h in own for hop in h.hops)
    assert sum(hop.sent for h in own for hop in h.hops) <= 60


# Echo servers that lie


@pytest.fixture(scope="module")
def lied_to(folder: Path) -> dict[str, Report | BaseException]:
    """What a check gives of a real server that tells each of the lies."""
    lies: dict[str, hostile.Lie] = {}
    tell = Session.tell

    def told(session: Session, message: messages.Message) -> None:
        lie = lies.get(session.local_address)
        for said in lie(message) if lie else (message,):
            tell(session, said)

    async def met(name: str, at_once: asyncio.Semaphore) -> Report | BaseException:
        at = address()
        lies[at] = hostile.LIES[name]
        try:
            async with at_once, served(folder, at) as link, asyncio.timeout(2 * WHOLE_BOUND_S):
                return await checking(link, depth="default").run()
        except Exception as error:  # for the test of that name to show
            return error

    async def all_of_them() -> dict[str, Report | BaseException]:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
        at_once = asyncio.Semaphore(AT_ONCE)
        found = await asyncio.gather(*(met(name, at_once) for name in hostile.LIES))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not complaints
        return dict(zip(hostile.LIES, found, strict=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "tell", told)
        patch.setattr(voice, "MEDIA_S", 0.6)
        return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", hostile.LIES)
def test_whatever_a_server_says_there_is_a_sound_report_in_bounded_time(
    lied_to: dict[str, Report | BaseException], name: str
) -> None:
    report = lied_to[name]
    if isinstance(report, BaseException):
        raise report
    sound(report)
    assert report.complete
    assert report.duration_s < WHOLE_BOUND_S
    again = diagnosed_again(report, PLAN)
    assert (again.nat, again.media, again.findings) == (report.nat, report.media, report.findings)


@pytest.mark.parametrize(
    "name",
    ["media-odd-ports", "media-privileged-ports", "media-no-ports", "media-report-first",
     "media-never-ready", "media-never-reported", "media-absurd-counts"],
)  # fmt: skip
def test_media_that_nobody_vouches_for_is_not_known(
    lied_to: dict[str, Report | BaseException], name: str
) -> None:
    report = lied_to[name]
    assert isinstance(report, Report)
    streams = of(report, MediaStream)
    assert len(streams) == 4
    assert all(stream.untested for stream in streams)
    assert {f.verdict for f in report.features if f.feature in ("audio", "video")} == {"unknown"}
    assert not {"one-way-media", "poor-media", "calls-without-media"} & {
        f.cause for f in report.findings
    }


def test_absurd_counts_leave_no_number_that_cannot_be(
    lied_to: dict[str, Report | BaseException],
) -> None:
    report = lied_to["media-plausible-counts"]
    assert isinstance(report, Report)
    for stream in of(report, MediaStream):
        assert stream.gaps <= stream.sent
        assert stream.reordered <= max(0, stream.received or 0)
        assert stream.duplicates <= 2**31
        assert stream.jitter_ms is None or stream.jitter_ms < 60_000
        assert "\x1b" not in (stream.source or "")


@pytest.mark.parametrize("name", ["opened-others", "opened-nothing", "opened-never"])
def test_ports_that_were_not_opened_are_not_called_blocked(
    lied_to: dict[str, Report | BaseException], name: str
) -> None:
    report = lied_to[name]
    assert isinstance(report, Report)
    for sample in (report.dynamic_udp, report.dynamic_tcp):
        assert sample is None or sample.sampled == 0
    causes = {f.cause for f in report.findings}
    assert not {"udp-range-limited", "tcp-range-limited"} & causes


def test_who_is_called_by_nobody_has_opened_nothing(
    lied_to: dict[str, Report | BaseException],
) -> None:
    for name in ("called-never", "punching-port-1"):
        report = lied_to[name]
        assert isinstance(report, Report)
        (punched,) = of(report, Punched)
        assert punched.opened is not True


def test_binding_lifetimes_are_measured_whatever_else_is_said(
    lied_to: dict[str, Report | BaseException],
) -> None:
    report = lied_to["media-never-ready"]
    assert isinstance(report, Report)
    udp = next(o for o in of(report, BindingLifetime) if o.transport == "udp")
    assert [trial.alive for trial in udp.trials] == [True]


async def test_nothing_is_sent_to_an_address_that_only_the_server_names(folder: Path) -> None:
    at, elsewhere = address(), address()
    tell = Session.tell
    lie = hostile.offering(PORT, OTHER_PORT, elsewhere)

    def told(session: Session, message: messages.Message) -> None:
        for said in lie(message):
            tell(session, said)

    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Session, "tell", told)
        link = await stack.enter_async_context(served(folder, at))
        where = [(elsewhere, port) for port in (PORT, OTHER_PORT, *PLAN.tcp_ports)]
        watch = stack.enter_context(Watch(*where))
        report = await checking(link, depth="default").run()
        assert watch.heard() == []
        assert watch.called() == 0
    sound(report)
    assert report.nat.mapping == "unknown"


async def test_an_address_that_the_link_vouches_for_as_well_is_asked(folder: Path) -> None:
    """The other half of the test above: that the watch would have seen something."""
    at, elsewhere = address(), address()
    async with served(folder, at, elsewhere) as link:
        assert link.also == (elsewhere,)
        report = await checking(link, depth="default", only=frozenset({"nat"})).run()
    asked = {m.destination.rpartition(":")[0] for o in of(report, NatMapping) for m in o.seen}
    assert asked == {at, elsewhere}


def test_the_bound_of_a_cancellation_is_the_one_of_every_check() -> None:
    assert PROMPT_S == 0.3
