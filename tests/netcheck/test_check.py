"""The check itself: the real engine against a real server on loopback, and against every other."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jsonschema import Draft202012Validator

from netcheck import plan, profile
from netcheck.check import Check, Event, Observed, Options, Progress
from netcheck.cli.check import EXIT
from netcheck.profile import Profile
from netcheck.report import json as as_json
from netcheck.report import schema, text
from netcheck.report.model import Report
from netcheck.server import certificate
from netcheck.server.embedded import embedded
from netcheck.server.serve import EchoServer, ServerConfig
from probes.errors import SetupError
from probes.observation import Control, InboundTcp, LocalFacts, OutboundTcp, OutboundUdp
from probes.wire import frame
from probes.wire.link import Link

from . import hostile
from .loopback import address

PROFILES = profile.built_in()
PLAN = plan.make(PROFILES)
VALID = Draft202012Validator(schema.schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)

PROMPT_S = 0.3
"""From the cancellation to the report."""

BOUND_S = 15.0
"""The longest a check may take, whatever the server does: six seconds to find it, five for a
heartbeat to be missed, and what the probes of closed ports take."""

OWN = """\
id = "own"
title = "My own"
[[features]]
id = "chat"
title = "Chat"
[[features.requires]]
probe = "outbound-tcp"
ports = [5222, "5300-5301"]
capacity = true
[[features.requires]]
probe = "inbound-tcp"
ports = [5222]
[[features.requires]]
probe = "udp"
ports = [5222]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that one certificate serves all."""
    return tmp_path_factory.mktemp("server")


@asynccontextmanager
async def served(
    folder: Path,
    at: str,
    *,
    tcp: tuple[int, ...] = PLAN.tcp_ports,
    udp: tuple[int, ...] = PLAN.udp_ports,
) -> AsyncIterator[Link]:
    """A real echo server on an address of its own."""
    config = ServerConfig(
        listen=(at,), control_ports=(0,), tcp_ports=tcp, udp_ports=udp, data_dir=folder
    )
    server = EchoServer(config)
    await server.start()
    try:
        yield server.links()[0]
    finally:
        await server.close()


def checking(link: Link, events: list[Event] | None = None, **options: Any) -> Check:
    chosen: dict[str, Any] = {
        "link": link, "profiles": PROFILES, "bind": address(), "depth": "quick",
    } | options  # fmt: skip
    return Check(Options(**chosen), (events if events is not None else []).append)


def sound(report: Report) -> None:
    """What every report is, whatever was met."""
    VALID.validate(json.loads(as_json.render(report)))
    assert msgspec.convert(msgspec.to_builtins(report), Report) == report
    assert text.render(report, details=True)
    assert len({o.id for o in report.observations}) == len(report.observations)
    known = {o.id for o in report.observations}
    for finding in report.findings:
        assert set(finding.evidence) <= known


# An honest server


async def test_against_the_embedded_server_everything_is_open() -> None:
    async with embedded(PLAN.tcp_ports, PLAN.udp_ports) as (link, bind):
        report = await checking(link, embedded=True, bind=bind).run()
    sound(report)
    assert {(p.state, p.port) for p in report.ports if p.state != "open"} == set()
    assert report.complete
    assert report.server.embedded
    assert report.server.reached
    assert report.server.certificate == "pinned"
    assert {f.feature for f in report.features if f.verdict == "works"} == {
        "messaging", "receive-files", "directory", "data-sharing",
    }  # fmt: skip
    assert {f.verdict for f in report.features} == {"works", "unknown"}
    assert next(f.capacity for f in report.features if f.feature == "receive-files") == 10
    assert report.findings == []
    assert (report.overall, EXIT[report.overall]) == ("unknown", 3)


async def test_from_an_address_of_ones_own(folder: Path) -> None:
    async with served(folder, address()) as link:
        report = await checking(link, bind="127.0.0.5").run()
    sound(report)
    assert {p.state for p in report.ports} == {"open"}
    sources = {
        o.source.rpartition(":")[0]
        for o in report.observations
        if isinstance(o, (OutboundTcp, OutboundUdp)) and o.source
    }
    assert sources == {"127.0.0.5"}
    called = {o.address for o in report.observations if isinstance(o, InboundTcp)}
    assert called == {"127.0.0.5"}
    assert report.nat.present is False
    assert report.host.addresses[0] == "127.0.0.5"


async def test_a_profile_of_ones_own_is_checked_from_file_to_verdict(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8")
    own = profile.find(str(file))
    wanted = plan.make([own])
    async with served(folder, address(), tcp=wanted.tcp_ports, udp=wanted.udp_ports) as link:
        report = await checking(link, profiles=(own,)).run()
    sound(report)
    (chat,) = report.features
    assert (chat.profile, chat.verdict, chat.capacity) == ("own", "works", 3)
    assert (report.overall, EXIT[report.overall]) == ("works", 0)


async def test_ports_that_the_server_lacks_are_no_fault_of_the_network(folder: Path) -> None:
    offered = tuple(port for port in PLAN.tcp_ports if port != 1863)
    async with served(folder, address(), tcp=offered, udp=()) as link:
        report = await checking(link).run()
    sound(report)
    unavailable = {(p.transport, p.port) for p in report.ports if p.state == "unavailable"}
    assert unavailable == {("tcp", 1863), ("udp", 6901)}
    verdicts = {f.feature: f.verdict for f in report.features}
    assert (verdicts["messaging"], verdicts["voice"]) == ("unknown", "unknown")
    assert {f.cause for f in report.findings} == {"server-port-unavailable"}


async def test_a_local_port_in_use_is_said_to_be_so(folder: Path) -> None:
    ours = address()
    taken = await asyncio.start_server(lambda r, w: None, ours, 6891)
    try:
        async with served(folder, address()) as link:
            report = await checking(link, bind=ours).run()
    finally:
        taken.close()
        await taken.wait_closed()
    sound(report)
    busy = [p for p in report.ports if p.state == "busy"]
    assert [(p.direction, p.port) for p in busy] == [("inbound", 6891)]
    assert [f.cause for f in report.findings] == ["local-port-in-use"]


# Events


async def test_events_tell_how_far_it_is_and_everything_that_was_observed(folder: Path) -> None:
    events: list[Event] = []
    async with served(folder, address()) as link:
        report = await checking(link, events).run()
    progress = [e for e in events if isinstance(e, Progress)]
    observed = [e.observation for e in events if isinstance(e, Observed)]
    assert observed == report.observations
    assert {p.total for p in progress} == {PLAN.steps}
    assert all(p.doing for p in progress)
    done = [p.done for p in progress]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == PLAN.steps


async def test_each_planned_probe_is_observed_once(folder: Path) -> None:
    async with served(folder, address()) as link:
        report = await checking(link).run()
    ids = {o.id for o in report.observations}
    assert {f"outbound-tcp-{port}" for port in PLAN.outbound_tcp} <= ids
    assert {f"inbound-tcp-{port}" for port in PLAN.inbound_tcp} <= ids
    assert {
        "local", "control", "loss", "outbound-tcp-6901-from-6901", "at-once-6891-6900",
        "outbound-udp-6901", "outbound-udp-any-from-6901",
        "inbound-udp-6901", "inbound-udp-any-from-6901",
    } <= ids  # fmt: skip


# Cancelling


async def cancelled_after(check: Check, seconds: float) -> Report:
    running = asyncio.create_task(check.run())
    # The moment itself is what is tested: there is no event to wait for.
    await asyncio.sleep(seconds)
    began = time.monotonic()
    check.cancel()
    report = await running
    assert time.monotonic() - began < PROMPT_S
    sound(report)
    return report


@pytest.mark.parametrize("seconds", [0, 0.02, 0.05, 0.1, 0.2])
async def test_a_cancelled_check_gives_at_once_what_it_has(folder: Path, seconds: float) -> None:
    async with served(folder, address()) as link:
        report = await cancelled_after(checking(link), seconds)
    if not report.complete:
        assert report.note
        assert "server-unreachable" not in {f.cause for f in report.findings}
        assert "fails" not in {f.verdict for f in report.features}


async def test_cancelled_before_it_began(folder: Path) -> None:
    async with served(folder, address()) as link:
        check = checking(link)
        check.cancel()
        report = await check.run()
    sound(report)
    assert not report.complete
    assert {f.verdict for f in report.features} == {"unknown"}
    assert {p.state for p in report.ports} == {"untested"}
    assert report.findings == []


async def test_cancelling_twice_is_cancelling_once(folder: Path) -> None:
    async with served(folder, address()) as link:
        check = checking(link)
        running = asyncio.create_task(check.run())
        await asyncio.sleep(0)
        check.cancel()
        check.cancel()
        sound(await running)


async def test_a_check_that_is_over_is_not_cancelled(folder: Path) -> None:
    async with served(folder, address()) as link:
        check = checking(link)
        report = await check.run()
        check.cancel()
    assert report.complete
    assert report.note == ""


@pytest.mark.parametrize("seconds", [0, 0.02, 0.05, 0.1, 0.5])
@pytest.mark.parametrize("server", ["tcp-mute", "tls-mute", "mute", "deaf", "welcome-then-mute"])
async def test_a_check_of_a_mute_server_is_cancelled_as_promptly(
    folder: Path, server: str, seconds: float
) -> None:
    async with strange(folder, server) as link:
        report = await cancelled_after(checking(link), seconds)
    assert not report.complete
    assert {f.verdict for f in report.features} == {"unknown"}
    assert report.findings == []


async def test_a_check_may_be_cancelled_at_any_turn_of_the_greeting(folder: Path) -> None:
    """A connection that is won in the very moment of the cancellation is closed as well."""
    pem = certificate.kept(folder)
    for turns in range(40):
        greeted = asyncio.Event()

        async def greet(socket: hostile.Socket, greeted: asyncio.Event = greeted) -> None:
            greeted.set()
            async for _ in socket:
                pass

        at = address()
        async with hostile.websocket(greet)(at, certificate.context(pem)) as port:
            check = checking(Link(at, (port,), certificate.fingerprint(pem)))
            running = asyncio.create_task(check.run())
            await greeted.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            check.cancel()
            assert not (await running).complete
    gc.collect()  # what was left open says so now


async def test_the_run_itself_may_be_cancelled(folder: Path) -> None:
    async with strange(folder, "tcp-mute") as link:
        running = asyncio.create_task(checking(link).run())
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


# Any other server


@asynccontextmanager
async def strange(folder: Path, name: str) -> AsyncIterator[Link]:
    pem = certificate.kept(folder)
    at = address()
    async with hostile.SERVERS[name](at, certificate.context(pem)) as port:
        yield Link(at, (port,), certificate.fingerprint(pem))


async def met(folder: Path, name: str) -> Report | BaseException:
    """What a check of this server gives; an exception is for the test to show."""
    try:
        async with strange(folder, name) as link, asyncio.timeout(BOUND_S):
            return await checking(link).run()
    except Exception as error:  # for the test of that name to show
        return error


@pytest.fixture(scope="module")
def reports(folder: Path) -> dict[str, Report | BaseException]:
    """All at the same time: most of them are waiting."""

    async def all_of_them() -> dict[str, Report | BaseException]:
        loop = asyncio.get_running_loop()
        complaints: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        found = await asyncio.gather(*(met(folder, name) for name in hostile.SERVERS))
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left
        assert not complaints
        return dict(zip(hostile.SERVERS, found, strict=True))

    return asyncio.run(all_of_them())


UNREACHED = {
    "tcp-mute": "there was no answer",
    "tcp-ends": "not a netcheck server",
    "tcp-banner": "does not speak TLS",
    "http": "does not speak TLS",
    "https": "HTTP status 404",
    "https-ok": "HTTP status 200",
    "https-unauthorized": "HTTP status 401",
    "tls-banner": "not a netcheck server",
    "tls-mute": "there was no answer",
    "tls-ends": "not a netcheck server",
    "tls-endless-head": "not a netcheck server",
    "websocket-other-protocol": "not netcheck's protocol",
    "websocket-no-protocol": "not netcheck's protocol",
    "busy": "busy with other checks",
    "other-version": "another version of the protocol",
    "mute": "said nothing",
    "deaf": "said nothing",
    "garbage": "not netcheck's protocol",
    "binary": "before saying hello",
    "no-unicode": "not netcheck's protocol",
    "nested": "not netcheck's protocol",
    "huge": "before saying hello",
    "pong-first": "another version",
    "welcome-other-version": "another version",
}
"""Why it is no echo server; whatever else says ``welcome-`` is not netcheck's protocol."""

LOST = {
    "welcome-then-mute": "was not heard for",
    "welcome-then-garbage": "not netcheck's protocol",
    "welcome-then-huge": "broke",
    "welcome-twice": "welcomed us twice",
}
"""Servers that were reached and then lost."""

ALIVE = {"no-ports", "strange-texts", "refuses", "lies", "never-done"}


@pytest.mark.parametrize("name", hostile.SERVERS)
def test_whatever_answers_there_is_a_report_in_bounded_time(
    reports: dict[str, Report | BaseException], name: str
) -> None:
    report = reports[name]
    if isinstance(report, BaseException):
        raise report
    sound(report)
    assert report.complete
    assert report.duration_s < BOUND_S
    assert "works" not in {f.verdict for f in report.features}
    (control,) = (o for o in report.observations if isinstance(o, Control))
    assert control.connected == report.server.reached == (name in LOST or name in ALIVE)


@pytest.mark.parametrize("name", [name for name in hostile.SERVERS if name not in ALIVE])
def test_who_is_no_echo_server_is_said_not_to_be_reachable(
    reports: dict[str, Report | BaseException], name: str
) -> None:
    report = reports[name]
    assert isinstance(report, Report)
    (finding,) = report.findings
    assert finding.cause == "server-unreachable"
    words = UNREACHED.get(name) or LOST.get(name) or "not netcheck's protocol"
    assert words in str(finding.parameters["detail"])
    assert {f.verdict for f in report.features} == {"unknown"}
    assert {tuple(f.findings) for f in report.features} == {(finding.id,)}
    assert (report.overall, EXIT[report.overall]) == ("unknown", 3)
    states = {p.state for p in report.ports}
    assert states == {"untested"} if name not in LOST else not states & {"blocked", "refused"}
    assert any(isinstance(o, LocalFacts) for o in report.observations)


async def test_another_certificate_is_refused(folder: Path) -> None:
    async with served(folder, address()) as link:
        other = Link(link.host, link.ports, "00" * 32)
        report = await checking(other).run()
    sound(report)
    (finding,) = report.findings
    assert "certificate is not the expected one" in str(finding.parameters["detail"])
    assert report.server.fingerprint is None


async def test_without_a_fingerprint_a_self_made_certificate_is_refused(folder: Path) -> None:
    async with served(folder, address()) as link:
        bare = Link(link.host, link.ports)
        report = await checking(bare).run()
        assert report.server.reached is False
        assert "no authority" in str(report.findings[0].parameters["detail"])
        trusting = await checking(bare, insecure=True).run()
    assert trusting.server.reached
    assert trusting.server.certificate == "unchecked"
    assert trusting.server.fingerprint == link.fingerprint
    sound(trusting)


def _vouched_for(folder: Path, at: str, first_day: int, last_day: int) -> Path:
    """A certificate for this address and its key; days are counted from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "echo")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=first_day))
        .not_valid_after(now + timedelta(days=last_day))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(at))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(*kind, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.mark.parametrize(
    ("days", "named", "words"),
    [
        ((-9, -1), True, "it has expired"),
        ((1, 9), True, "it is not valid yet"),
        ((-1, 9), False, "it is for another name"),
    ],
)
async def test_what_is_wrong_with_a_certificate_that_an_authority_vouches_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, days: tuple[int, int], named: bool, words: str
) -> None:
    at = address()
    pem = _vouched_for(folder, at if named else "192.0.2.1", *days)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    async with hostile.answers(200)(at, certificate.context(pem)) as port:
        report = await checking(Link(at, (port,))).run()
    assert f"({words})" in str(report.findings[0].parameters["detail"])


async def test_a_redirect_leads_nowhere(folder: Path) -> None:
    """Nothing is ever sent to an address that only the server named."""
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1000))

    pem = certificate.kept(folder)
    tls = certificate.context(pem)
    at, elsewhere = address(), address()
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(hostile.stream(note, elsewhere, tls))
        redirect = hostile.answers(302, Location=f"http://{elsewhere}:{there}/netcheck")
        port = await stack.enter_async_context(redirect(at, tls))
        report = await checking(Link(at, (port,), certificate.fingerprint(pem))).run()
    assert asked == []
    sound(report)
    assert not report.server.reached
    detail = str(report.findings[0].parameters["detail"])
    assert detail.endswith("what answers there is not a netcheck server (it leads elsewhere)")


# Strangers on the tested ports


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 200,
        frame.MAGIC + bytes(frame.SIZE - 4),
        bytes(frame.SIZE),
        b"",
    ],
    ids=["http", "wrong-tag", "zeros", "ends"],
)
async def test_an_answer_without_the_proof_opens_no_port(folder: Path, answer: bytes) -> None:
    """A server that is alive and saw nothing, and strangers that answer on its ports."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(frame.SIZE)
        writer.write(answer)
        await writer.drain()

    chosen = (only_messaging(),)
    pem = certificate.kept(folder)
    tls = certificate.context(pem)
    at = address()
    stranger = await asyncio.start_server(talk, at, 1863)
    try:
        async with hostile.SERVERS["refuses"](at, tls) as port:
            link = Link(at, (port,), certificate.fingerprint(pem))
            report = await checking(link, profiles=chosen).run()
    finally:
        stranger.close()
        await stranger.wait_closed()
    sound(report)
    (found,) = report.ports
    # One that says nothing cannot be told from a firewall that lets no data through.
    assert found.state in ({"intercepted"} if answer else {"blocked", "unknown"})
    assert report.features[0].verdict == "fails"
    assert EXIT[report.overall] == 1


def only_messaging() -> Profile:
    (msn,) = (p for p in PROFILES if p.id == "msn-messenger")
    return msgspec.structs.replace(msn, features=[msn.features[0]])


async def test_a_stun_server_out_of_reach_of_the_own_address_is_said_to_be_so() -> None:
    options = Options(link=None, stun=(Link("::1"),), profiles=PROFILES, bind="127.0.0.1")
    with pytest.raises(SetupError, match=r"no way to ::1: it has no IPv4 address\."):
        await Check(options).run()
