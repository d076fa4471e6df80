"""The installed command as its users and their scripts meet it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from netcheck import plan
from netcheck.check import Check
from netcheck.cli import check as check_command
from netcheck.history import History
from netcheck.kb import articles
from netcheck.report import json as as_json
from netcheck.report import schema
from netcheck.report.read import read
from tests import powers
from tests.netcheck.loopback import address
from tests.netcheck.report.samples import all_good, behind_nat

NETCHECK = (sys.executable, "-m", "netcheck")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("NETCHECK")}
PATIENCE_S = 20.0
"""For a command that ends by itself; a busy computer may need seconds to load it."""

VALID = Draft202012Validator(schema.schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)

SMALL = """\
id = "small"
title = "Small"
[[features]]
id = "one"
title = "One"
[[features.requires]]
probe = "outbound-tcp"
ports = [5222]
"""

Done = subprocess.CompletedProcess[str]


def netcheck(*arguments: str | Path, **more: Any) -> Done:
    environment = ENVIRONMENT | more.pop("env", {})
    return subprocess.run(
        [*NETCHECK, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        env=environment,
        check=False,
        **more,
    )


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; ended at the latest when the block is left."""
    process = subprocess.Popen(
        [*NETCHECK, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=ENVIRONMENT,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def mute_server() -> Iterator[tuple[str, socket.socket]]:
    """A server that is connected to and says nothing."""
    with socket.socket() as sock:
        sock.bind((address(), 0))
        sock.listen()
        sock.settimeout(PATIENCE_S)
        host, port = sock.getsockname()
        yield f"{host}:{port}", sock


def refused(done: Done, *words: str) -> None:
    """One sentence on standard error, and nothing else anywhere."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.endswith((".", "?"))
    assert line.isprintable()
    for word in words:
        assert word in line


def misused(done: Done, *words: str) -> None:
    """Wrong usage in click's own words: the usage, and one line that says what is wrong."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    *usage, line = done.stderr.splitlines()
    assert all(re.match(r"Usage:|Try |$", other) for other in usage)
    for word in words:
        assert word in line


# Help


def test_without_arguments_it_prints_help_and_exits_with_2() -> None:
    done = netcheck()
    assert done.returncode == 2
    assert done.stdout == netcheck("--help").stdout
    assert done.stderr == ""


def test_help_names_every_command() -> None:
    done = netcheck("-h")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("check", "gui", "kb", "profiles", "report", "serve"):
        assert re.search(rf"^  {command} +\w.*\.$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["check", "serve", "kb", "profiles", "report", "gui"])
def test_each_command_has_help(command: str) -> None:
    done = netcheck(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"netcheck {command}" in done.stdout


CODECS = {"asn1tools", "bitstruct", "probes", "pyparsing"}
HEAVY = CODECS | {
    *("aiohttp", "asyncio", "cryptography", "dns", "jinja2", "msgspec", "psutil", "rich", "ssl")
}


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        (["kb", "--help"], HEAVY),
        (["profiles", "--help"], HEAVY),
        (["profiles", "list"], {"aiohttp", "asyncio", "rich", "psutil", "cryptography"}),
        (["serve", "--help"], CODECS | {"aiohttp", "rich", "cryptography"}),
        (["check", "--help"], CODECS | {"aiohttp", "rich", "cryptography"}),
    ],
    ids=lambda words: " ".join(sorted(words)) if isinstance(words, set) else " ".join(words),
)
def test_what_needs_no_network_loads_nothing_for_it(
    arguments: list[str], without: set[str]
) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "netcheck", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in loaded
    assert {name.partition(".")[0] for name in loaded} & without == set()


def test_the_version() -> None:
    done = netcheck("--version")
    assert re.fullmatch(r"netcheck, version \d+\.\d+\.\d+\S*\n", done.stdout)


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "skype"], ["no profile 'skype'", "msn-messenger and netmeeting"]),
        (["--profile", "netmeting"], ["did you mean netmeeting?"]),
        (["--profile", "none.toml"], ["no profile file none.toml"]),
        (["--profile", "./"], ["directory"]),
        (["--profile", "\x1b[2J\n.toml"], ["no profile file"]),
        (["--format", "docx"], ["no format 'docx'", "json", "pdf", "text"]),
        (["--server", "a b"], ["'a b' is not a host"]),
        (["--server", "host:99999"], ["'99999'", "is not a port"]),
        (["--server", "host:http"], ["'http'", "is not a port"]),
        (["--server", "host:"], ["port"]),
        (["--server", "300.1.1.1"], ["is not a host"]),
        (["--server", "[::1"], ["no valid IPv6 address"]),
        (["--server", "https://host"], ["must begin with netcheck://"]),
        (["--server", "netcheck://host#12"], ["64 hexadecimal digits"]),
        (["--server", "x" * 600], ["longer than"]),
        (["--server", "\x1b]0;title\x07"], ["is not a host"]),
        (["--bind", "nonsense"], ["'nonsense' is not an IP address of this computer"]),
        (["--bind", "203.0.113.9"], ["'203.0.113.9' is not an IP address of this computer"]),
        (["--bind", "\x1b[2J"], ["is not an IP address"]),
        (["--bind", "0.0.0.0"], ["'0.0.0.0' is not an IP address of this computer"]),
        (["--bind", "::"], ["'::' is not an IP address of this computer"]),
        (["--bind", "224.0.0.1"], ["'224.0.0.1' is not an IP address of this computer"]),
        (["--bind", "255.255.255.255"], ["is not an IP address of this computer"]),
        (["--bind", "127.0.0.1"], ["Without a server --bind has nothing to test"]),
        (["--bind", "127.0.0.1", "--server", "::1"], ["no way to ::1", "IPv6"]),
        (["--bind", "127.0.0.1", "--stun", "[::1]:9"], ["no way to ::1", "IPv6"]),
        (["--output", "no/such/folder/report.json"], ["no folder"]),
    ],
)
def test_wrong_input_of_check_is_one_sentence(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    refused(netcheck("check", *arguments, cwd=tmp_path), *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chekc"], ["chekc"]),
        (["--colour"], ["--colour"]),
        (["check", "--colour"], ["--colour"]),
        (["check", "report.json"], ["report.json"]),
        (["check", "--format"], ["--format"]),
        (["check", "--output", "."], ["directory"]),
        (["serve", "--control-port", "0"], ["--control-port"]),
        (["serve", "--control-port", "70000"], ["--control-port"]),
        (["serve", "--control-port", "http"], ["--control-port"]),
        (["kb", "show"], ["ID"]),
        (["profiles", "shwo"], ["shwo"]),
        (["report", "convert", "x.json"], ["--format"]),
    ],
)
def test_wrong_usage_is_said_without_a_traceback(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    misused(netcheck(*arguments, cwd=tmp_path), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_profile_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(SMALL.replace("5222", "70000"))
    output = tmp_path / "report.json"
    done = netcheck("check", "--profile", file, "--output", output)
    refused(done, f"{file}: features[0].requires[0].ports[0]")
    assert not output.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are those of Unix")
def test_a_profile_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(SMALL)
    file.chmod(0)
    refused(netcheck("check", "--profile", file, preexec_fn=powers.give_up), "cannot be read")


def test_more_profiles_than_one_check_can_test_are_refused(tmp_path: Path) -> None:
    for n in (1, 2):
        text = SMALL.replace("small", f"small-{n}").replace("outbound", "inbound")
        (tmp_path / f"{n}.toml").write_text(text.replace("5222", f'"{n}000-{n}063"'))
    done = netcheck("check", "--profile", tmp_path / "1.toml", "--profile", tmp_path / "2.toml")
    refused(done, "check fewer profiles at once")


def test_the_server_may_come_from_the_environment() -> None:
    done = netcheck("check", env={"NETCHECK_SERVER": "a b"})
    refused(done, "'a b' is not a host")


def test_ctrl_c_is_no_verdict() -> None:
    """Click would exit with 1, which says that a feature is limited or fails."""
    program = (
        "import os, signal, netcheck.cli.check as c\n"
        "c.check.callback = lambda **_: os.kill(os.getpid(), signal.SIGINT)\n"
        "from netcheck.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "check"], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def interrupted_while_loading(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Python drops a KeyboardInterrupt in the callback of a weak reference, such as imports use."""
    (folder / "slow.py").write_text(
        "import os, signal, weakref\n"
        "class Lock: pass\n"
        "lock = Lock()\n"
        "freed = weakref.ref(lock, lambda _: os.kill(os.getpid(), signal.SIGINT))\n"
        "del lock\n"
        "print('went on')\n"
        "from netcheck.cli.kb import kb_group\n"
    )
    program += (
        "import netcheck.cli.main as m\nm._COMMANDS['kb'] = ('slow', 'kb_group', '')\nm.main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "kb", "list"],
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_ctrl_c_while_a_command_is_loaded_is_not_lost(tmp_path: Path) -> None:
    done = interrupted_while_loading(tmp_path, "")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_that_is_to_be_ignored_ends_nothing(tmp_path: Path) -> None:
    """As by ``nohup``, and for what a shell runs in its background."""
    ignored = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = interrupted_while_loading(tmp_path, ignored)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("went on\n")


# A check


def test_a_check_without_a_server_says_that_it_tested_this_computer_alone() -> None:
    done = netcheck("check")
    assert (done.returncode, done.stderr) == (3, "")
    assert "this computer alone" in done.stdout
    for title in ("MSN Messenger", "NetMeeting", "Receive files"):
        assert title in done.stdout


def test_json_on_standard_output_is_a_valid_report() -> None:
    done = netcheck("check", "--format", "json", "--profile", "netmeeting")
    assert (done.returncode, done.stderr) == (3, "")
    report = json.loads(done.stdout)
    VALID.validate(report)
    assert report["server"]["embedded"] is True
    assert {f["profile"] for f in report["features"]} == {"netmeeting"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("profile") / "small.toml"
    file.write_text(SMALL)
    return file


@contextmanager
def serving(*options: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``netcheck serve`` with these options, and its first link."""
    with started("serve", *options) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        link = re.search(r"netcheck check --server '(netcheck://\S+)'", process.stdout.readline())
        assert link is not None
        yield process, link[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Iterator[str]:
    """The link of a server that offers the small profile."""
    folder = tmp_path_factory.mktemp("server")
    options = ("--listen", address(), "--data-dir", folder, "--profile", small, "--no-editors")
    with serving(*options) as (_, link):
        yield link


def test_a_profile_and_a_server_of_ones_own(server: str, small: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    output.write_text("an older one")
    done = netcheck(
        "check", "--server", server, "--profile", small, "--bind", address(),
        "--format", "json", "--output", output,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == [output]
    VALID.validate(json.loads(output.read_text(encoding="utf-8")))
    report = read(output)
    assert (report.overall, report.server.embedded) == ("works", False)
    assert [(p.port, p.state) for p in report.ports] == [(5222, "open")]


def test_what_the_server_lacks_is_unknown_and_exits_with_3(server: str) -> None:
    done = netcheck(
        "check", "--quick", "--server", server, "--profile", "netmeeting", "--bind", address(),
        "--format", "json",
    )  # fmt: skip
    assert done.returncode == 3
    states = {p["state"] for p in json.loads(done.stdout)["ports"] if p["direction"] == "outbound"}
    assert states == {"unavailable"}


def test_a_server_that_is_not_there_exits_with_3_and_still_gives_a_report() -> None:
    with socket.socket() as sock:
        sock.bind((address(), 0))
        host, port = sock.getsockname()
    done = netcheck("check", "--server", f"{host}:{port}", "--format", "json")
    assert (done.returncode, done.stderr) == (3, "")
    report = json.loads(done.stdout)
    VALID.validate(report)
    assert [f["cause"] for f in report["findings"]] == ["server-unreachable"]
    assert {f["verdict"] for f in report["features"]} == {"unknown"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_report_that_cannot_be_written_is_not_lost(server: str, small: Path) -> None:
    done = netcheck(
        "check", "--server", server, "--profile", small, "--bind", address(),
        "--format", "json", "--output", "/dev/full",
    )  # fmt: skip
    assert done.returncode == 2
    VALID.validate(json.loads(done.stdout))
    (line,) = done.stderr.splitlines()
    assert "disk is full" in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_check_gives_what_it_has(number: int, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    with mute_server() as (where, sock):
        command = ("check", "--server", where, "--format", "json", "--output", output)
        with started(*command) as process:
            connection, _ = sock.accept()  # so the check is under way
            with connection:
                process.send_signal(number)
                stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout, stderr) == (3, "", "")
    report = json.loads(output.read_text(encoding="utf-8"))
    VALID.validate(report)
    assert report["complete"] is False
    assert "cancelled" in report["note"]
    assert report["findings"] == []
    assert {f["verdict"] for f in report["features"]} == {"unknown"}


def test_a_check_stopped_before_it_found_anything_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "NETCHECK_DATA_DIR", str(tmp_path))
    with mute_server() as (where, sock), started("check", "--server", where, "--keep") as process:
        connection, _ = sock.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=PATIENCE_S)
    assert stderr == "The check was stopped before it found anything: not kept.\n"
    assert History(tmp_path).entries() == []


def test_a_second_ctrl_c_strikes_no_import() -> None:
    """See ``_interruptible``: what is raised here is dropped, and the lock is kept."""
    told: list[str] = []

    class Lock:
        def cancel(self) -> None:
            told.append("cancelled")

    def freed(_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        told.append("went on")

    async def check() -> None:
        lock = Lock()
        with check_command._interruptible(cast(Check, lock)):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0)
            import_lock = Lock()
            watched = weakref.ref(import_lock, freed)
            del import_lock
            assert watched() is None
            await asyncio.sleep(PATIENCE_S)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(check())
    assert told == ["cancelled", "went on"]


@pytest.mark.parametrize("command", [("kb", "list"), ("check", "--only", "ports")])
def test_a_reader_that_has_seen_enough_is_no_verdict(command: tuple[str, ...]) -> None:
    with started(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(PATIENCE_S) == 141


if sys.platform != "win32":
    import pty
    import resource

    @pytest.mark.parametrize("files", [24, 64, 200])
    def test_too_few_files_are_no_verdict(server: str, files: int) -> None:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        done = netcheck("check", "--server", server, preexec_fn=limit)
        refused(done, f"only {files} files", "ulimit -n 512")

    def test_a_limit_that_may_be_raised_is_raised() -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))

        done = netcheck("check", "--server", "127.0.0.1:1", "--format", "json", preexec_fn=limit)
        assert (done.returncode, done.stderr) == (3, "")

    def test_the_name_of_an_article_cannot_take_over_the_terminal() -> None:
        master, terminal = pty.openpty()
        command = [*NETCHECK, "kb", "show", "\x1b]0;title\x07\x1b[2J"]
        subprocess.run(
            command, stderr=terminal, stdin=subprocess.DEVNULL, env=ENVIRONMENT, check=False
        )
        os.close(terminal)
        said = os.read(master, 4096)
        os.close(master)
        assert b"There is no article" in said
        assert b"\x1b" not in said


# Reading


def test_the_knowledge_base() -> None:
    listed = netcheck("kb", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    ids = [line.partition("\t")[0] for line in listed.stdout.splitlines()]
    assert ids == [article.id for article in articles()]
    shown = netcheck("kb", "show", ids[0])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("# ")
    unknown = netcheck("kb", "show", "server-unreachabel")
    refused(unknown, "no article", "server-unreachable")


def test_the_profiles(small: Path, tmp_path: Path) -> None:
    listed = netcheck("profiles", "list")
    assert [line.partition("\t")[0] for line in listed.stdout.splitlines()] == [
        "msn-messenger",
        "netmeeting",
    ]
    shown = netcheck("profiles", "show", "msn-messenger")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Receive files (receive-files) [M2, M3]" in shown.stdout
    assert "outbound-tcp 6891–6900, at least 1" in shown.stdout
    assert "5222" in netcheck("profiles", "show", small).stdout
    refused(netcheck("profiles", "show", "nonsense"), "no profile 'nonsense'")
    hostile = tmp_path / "hostile.toml"
    hostile.write_text(SMALL.replace('"Small"', '"\\u001b[2J"').replace('"One"', '"\\u202eeno"'))
    assert netcheck("profiles", "show", hostile).stdout.replace("\n", "").isprintable()


def test_saved_reports(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(as_json.render(all_good()), encoding="utf-8")
    new.write_text(as_json.render(behind_nat()), encoding="utf-8")
    assert "Voice" in netcheck("report", "show", old).stdout
    converted = netcheck("report", "convert", old, "--format", "json")
    assert json.loads(converted.stdout) == json.loads(as_json.render(all_good()))
    assert netcheck("report", "compare", old, old).returncode == 0
    assert netcheck("report", "compare", old, new).returncode == 1
    missing = netcheck("report", "show", tmp_path / "none.json")
    assert missing.returncode == 2
    assert missing.stdout == ""
    assert len(missing.stderr.splitlines()) == 1


def test_without_a_screen_there_is_no_window() -> None:
    refused(netcheck("gui"), "no screen", "netcheck check")


# Which parts, how deep, and with what


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--quick", "--deep"), "exclude each other"),
        (
            ("--only", "everything"),
            "There is no part 'everything'; use ports, nat, editors, range, ",
        ),
        (("--only", "\x1b[2J"), "There is no part"),
        (("--only", "nat"), "name one with --server, or leave out --only"),
        (("--only", "ports", "--only", "media"), "name one with --server, or leave out --only"),
        (("--only", "range", "--stun", "127.0.0.1"), "leave out --only, or use nat"),
        (("--stun", "127.0.0.1", "--server", "127.0.0.1"), "Give either --server or --stun"),
        (("--stun", ":::"), "is not a host"),
        (("--stun", "127.0.0.1:99999"), "is not a port"),
        (("--stun", "127.0.0.1", "--stun", "127.0.0.2:0"), "is not a port"),
    ],
)
def test_which_parts_and_with_what_is_refused_in_one_sentence(
    arguments: tuple[str, ...], words: str
) -> None:
    done = netcheck("check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_only_the_ports_can_be_tested_alone() -> None:
    done = netcheck("check", "--only", "ports", "--format", "json")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    assert report["server"]["embedded"] is True
    assert {port["state"] for port in report["ports"]} == {"open"}


def test_a_stun_server_that_was_typed_wins_over_the_server_of_the_environment() -> None:
    at = address()
    done = netcheck(
        "check", "--stun", at, "--format", "json", env={"NETCHECK_SERVER": "echo.invalid"}
    )
    assert (done.returncode, done.stderr) == (3, "")
    report = json.loads(done.stdout)
    VALID.validate(report)
    assert report["server"]["host"] == f"{at}:3478"
    assert [finding["cause"] for finding in report["findings"]] == ["server-unreachable"]
    assert "echo.invalid" not in done.stdout


def test_a_stun_server_is_not_called_an_echo_server() -> None:
    at = address()
    done = netcheck("check", "--stun", at)
    said = " ".join(done.stdout.split())
    assert f"because the STUN server {at}:3478 could not be reached" in said
    assert f"STUN server {at}:3478, not reached" in said
    assert "on UDP port 3478" in said


def test_a_stun_server_without_an_address_is_not_called_an_echo_server() -> None:
    done = netcheck("check", "--stun", "nosuch.invalid")
    said = " ".join(done.stdout.split())
    assert "because the STUN server nosuch.invalid could not be reached" in said
    assert "cho server nosuch.invalid" not in said


def test_what_the_help_says_of_the_parts_is_so() -> None:
    said = " ".join(netcheck("check", "--help").stdout.split())
    for part in plan.PARTS:
        assert part in said
    for option in ("--stun", "--quick", "--deep", "--only", "NETCHECK_SERVER"):
        assert option in said
