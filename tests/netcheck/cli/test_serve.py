"""``netcheck serve`` as an operator meets it: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from probes.wire import link as links
from probes.wire import messages, stun
from probes.wire.frame import Endpoint
from tests.netcheck.loopback import address

from .test_cli import PATIENCE_S, netcheck, refused, serving

PROMPT_S = 3.0
"""An idle server ends; far less than the drain_s that it gives to running checks."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that one certificate serves all tests."""
    return tmp_path_factory.mktemp("data")


@asynccontextmanager
async def session(link: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A check that has begun: its control connection after the welcome."""
    parsed = links.parse(link)
    assert parsed.fingerprint is not None
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(
            f"wss://{parsed.host}:{parsed.ports[0]}{messages.PATH}",
            protocols=(messages.PROTOCOL,),
            ssl=aiohttp.Fingerprint(bytes.fromhex(parsed.fingerprint)),
            timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
        ) as opened,
    ):
        assert isinstance(await heard(opened), messages.Welcome)
        yield opened


async def heard(opened: aiohttp.ClientWebSocketResponse) -> messages.ServerMessage:
    return messages.read_from_server(await opened.receive_str(timeout=PATIENCE_S))


async def still_served(opened: aiohttp.ClientWebSocketResponse) -> None:
    await opened.send_str(messages.write(messages.LedgerRequest(id=1)))
    assert isinstance(await heard(opened), messages.LedgerPage)


def ends(process: subprocess.Popen[str]) -> str:
    """The server ends at once and in order; what it said on standard error."""
    began = time.monotonic()
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - began < PROMPT_S
    assert process.returncode == 0
    assert stdout == ""
    return str(stderr)


def test_it_prints_a_link_for_each_address(data_dir: Path) -> None:
    one, two = address(), address()
    with serving("--listen", one, "--listen", two, "--data-dir", data_dir) as (process, first):
        assert process.stdout is not None
        second = process.stdout.readline()
        assert re.fullmatch(rf"netcheck://{one}:8463\?also={two}#[0-9a-f]{{64}}", first)
        assert f"netcheck://{two}:8463?also={one}#{first.partition('#')[2]}" in second
        process.send_signal(signal.SIGTERM)
        assert "Not available" not in ends(process)


def test_it_advertises_the_address_of_a_1_to_1_nat(data_dir: Path) -> None:
    own = address()
    options = ("--listen", own, "--advertise", "203.0.113.5", "--data-dir", data_dir)
    with serving(*options, "--control-port", "8463", "--control-port", "443") as (process, link):
        assert link.startswith("netcheck://203.0.113.5:8463,443#")
        process.send_signal(signal.SIGTERM)
        ends(process)


def test_a_taken_port_is_named_and_the_rest_is_served(data_dir: Path) -> None:
    own = address()
    with (
        socket.create_server((own, 1863)),
        serving("--listen", own, "--data-dir", data_dir) as (process, link),
    ):
        done = netcheck(
            "check", "--server", link, "--profile", "msn-messenger", "--bind", address(),
            "--details",
        )  # fmt: skip
        assert done.returncode == 3
        assert "not offered by the echo server" in re.sub(r"\s+", " ", done.stdout)
        process.send_signal(signal.SIGTERM)
        said = ends(process)
    named = [line for line in said.splitlines() if line.startswith("Not available")]
    assert named == [f"Not available: TCP 1863 on {own}: taken by another program"]


@pytest.mark.parametrize(
    ("options", "ports"), [((), [3478, 3479]), (("--stun-port", "5000"), [5000, 5001])]
)
def test_it_answers_stun(data_dir: Path, options: tuple[str, ...], ports: list[int]) -> None:
    own = address()
    wanted = stun.write(
        stun.Message(kind="request", transaction=stun.transaction(bytes(12))), at_least=100
    )
    with serving("--listen", own, "--data-dir", data_dir, *options) as (process, _):
        for port in ports:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE_S)
                sock.connect((own, port))
                sock.send(wanted)
                answer = stun.read(sock.recv(2000))
                assert answer.xor_mapped_address == Endpoint(*sock.getsockname())
        process.send_signal(signal.SIGTERM)
        ends(process)


def test_stun_can_be_off(data_dir: Path) -> None:
    own = address()
    with serving("--listen", own, "--data-dir", data_dir, "--stun-port", "0") as (process, _):
        with socket.socket() as sock:
            assert sock.connect_ex((own, 3478)) != 0
        process.send_signal(signal.SIGTERM)
        ends(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(data_dir: Path, number: int) -> None:
    with serving("--listen", address(), "--data-dir", data_dir) as (process, _):
        process.send_signal(number)
        assert "Traceback" not in ends(process)


async def test_a_running_check_may_end_first(data_dir: Path) -> None:
    with serving("--listen", address(), "--data-dir", data_dir) as (process, link):
        async with session(link) as opened:
            process.send_signal(signal.SIGTERM)
            assert isinstance(await heard(opened), messages.Closing)
            await still_served(opened)
            assert process.poll() is None
        ends(process)


async def test_a_second_signal_does_not_wait_for_it(data_dir: Path) -> None:
    with serving("--listen", address(), "--data-dir", data_dir) as (process, link):
        async with session(link) as opened:
            process.send_signal(signal.SIGTERM)
            assert isinstance(await heard(opened), messages.Closing)
            process.send_signal(signal.SIGTERM)
            assert (await opened.receive(timeout=PATIENCE_S)).type is not aiohttp.WSMsgType.TEXT
            ends(process)


def test_the_certificate_is_kept(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        own = address()
        with serving("--listen", own, "--data-dir", tmp_path) as (process, link):
            seen.add(link.partition("#")[2])
            process.send_signal(signal.SIGTERM)
            ends(process)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "nonsense"], ["--listen 'nonsense' is not an IP address"]),
        (["--listen", ""], ["is not an IP address"]),
        (["--listen", "\x1b[2J"], ["is not an IP address"]),
        (["--listen", "203.0.113.9"], ["No control port could be opened", "not this machine's"]),
        (["--listen", "127.0.0.1", "--advertise", "name"], ["--advertise 'name'"]),
        (["--listen", "127.0.0.1", "--advertise", "0.0.0.0"], ["'0.0.0.0'", "can be called"]),
        (["--listen", "127.0.0.1", "--advertise", "ff02::1"], ["'ff02::1'", "can be called"]),
        (["--advertise", "203.0.113.9"], ["more --advertise addresses"]),
        (["--certificate", "none.pem"], ["no certificate", "none.pem"]),
        (["--certificate", "empty.pem"], ["cannot be used as a certificate"]),
        (["--certificate", "."], ["cannot be used as a certificate"]),
        (["--profile", "skype"], ["no profile 'skype'"]),
        (["--data-dir", "empty.pem/below"], ["cannot be kept"]),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "empty.pem").write_text("")
    data_dir = [] if "--data-dir" in arguments else ["--data-dir", str(tmp_path / "data")]
    refused(netcheck("serve", *data_dir, *arguments, cwd=tmp_path), *words)


def test_where_every_control_port_is_taken_it_does_not_start(data_dir: Path) -> None:
    own = address()
    with socket.create_server((own, 8463)), socket.create_server((own, 8464)):
        done = netcheck(
            "serve", "--listen", own, "--data-dir", data_dir,
            "--control-port", "8463", "--control-port", "8464",
        )  # fmt: skip
    refused(done, "No control port could be opened", "8463", "8464", "taken by another program")
