"""One window: whoever starts second hands over, however many start and however the first ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from PySide6.QtCore import QProcess, QProcessEnvironment
from PySide6.QtNetwork import QLocalSocket
from pytestqt.qtbot import QtBot

if sys.platform == "win32":
    pytest.skip("signals and users are those of Unix", allow_module_level=True)

from netcheck.gui import alone
from netcheck.gui.alone import Alone, Lock, SilentError

STARTS_S = 60.0
"""A busy machine takes seconds for what takes half a second."""

GUI = ("-m", "netcheck", "gui")


def surroundings(folder: Path) -> dict[str, str]:
    """A home of its own: no settings and no history of the user's."""
    return {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "NETCHECK_DATA_DIR": str(folder / "data"),
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_DATA_HOME": str(folder / "share"),
    }


@contextmanager
def programs(folder: Path, count: int = 1) -> Iterator[list[subprocess.Popen[str]]]:
    """So many, started in the same instant; gone at the end."""
    started = [
        subprocess.Popen(
            [sys.executable, *GUI], env=surroundings(folder), stderr=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
            each.wait()
            assert each.stderr is not None
            each.stderr.close()
        lock = Lock(folder / "data")
        lock.take()
        Path(lock.name or folder / "none").unlink(missing_ok=True)  # what was killed left it
        lock.free()


def until_open(folder: Path, after: str = "") -> str:
    """What the first program listens to, as soon as it does; ``after`` the one that had this."""
    lock = Lock(folder / "data")
    deadline = time.monotonic() + STARTS_S
    while time.monotonic() < deadline:
        if lock.path.exists() and not lock.take():
            if (name := lock.name) and name != after:
                lock.free()
                return name
        else:
            lock.free()
    raise AssertionError("no window was opened")


def running(started: Sequence[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    return [each for each in started if each.poll() is None]


@pytest.fixture
def first(qapp: object, tmp_path: Path) -> Iterator[Alone]:
    """The first program, as far as others can see."""
    made = Alone(tmp_path / "data")
    assert made.first(None)
    yield made
    made.stop()


@pytest.mark.parametrize("name", ["some report.json", "Übersicht\n1.json", "x\udcff.json", ""])
def test_a_second_start_hands_its_file_over_and_ends(
    qtbot: QtBot, first: Alone, tmp_path: Path, name: str
) -> None:
    """Whatever characters are in its name."""
    second = QProcess()
    environment = QProcessEnvironment()
    for variable, value in surroundings(tmp_path).items():
        environment.insert(variable, value)
    second.setProcessEnvironment(environment)
    arguments = ["gui", name] if name else ["gui"]
    code = (
        "import sys; from netcheck.cli.main import main; "
        f"sys.argv = ['netcheck', *{arguments!a}]; main()"
    )
    with (
        qtbot.waitSignal(second.finished, timeout=round(STARTS_S * 1000)) as ended,
        qtbot.waitSignal(first.called, timeout=round(STARTS_S * 1000)) as told,
    ):
        second.start(sys.executable, ["-c", code])
    assert told.args == [Path(name).absolute() if name else None]
    assert ended.args[0] == 0


def test_eight_started_at_once_open_one_window(tmp_path: Path) -> None:
    with programs(tmp_path, 8) as started:
        deadline = time.monotonic() + STARTS_S
        while len(running(started)) > 1 and time.monotonic() < deadline:
            time.sleep(alone.POLL_S)
        assert len(running(started)) == 1
        ended = [each for each in started if each.poll() is not None]
        assert [each.returncode for each in ended] == [0] * 7
        assert [each.stderr.read() for each in ended if each.stderr] == [""] * 7


def test_after_a_kill_the_next_start_is_the_first(tmp_path: Path) -> None:
    with programs(tmp_path) as (killed,):
        name = until_open(tmp_path)
        assert Path(name).exists()
        killed.kill()
        killed.wait()
        with programs(tmp_path) as (second,):
            began = time.monotonic()
            until_open(tmp_path, after=name)
            assert time.monotonic() - began < alone.ANSWER_S
            assert second.poll() is None
            assert not Path(name).exists()  # no litter stays


def test_a_first_that_hangs_is_named_and_not_waited_for(qapp: object, tmp_path: Path) -> None:
    with programs(tmp_path) as (frozen,):
        until_open(tmp_path)
        frozen.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(SilentError, match=rf"does not answer \(process {frozen.pid}\)"):
                Alone(tmp_path / "data").first(None, within_s=1.0)
            assert time.monotonic() - began < 3.0
        finally:
            frozen.send_signal(signal.SIGCONT)


def test_whoever_ends_leaves_the_place_to_the_next(qapp: object, tmp_path: Path) -> None:
    one, other = Alone(tmp_path), Alone(tmp_path)
    assert one.first(None)
    one.stop()
    assert other.first(None)
    other.stop()


def test_another_users_lock_and_an_unwritable_folder_are_not_ours(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a file"
    file.write_text("")
    assert Alone(file / "data").first(None)  # no folder can be made there
    real = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: real + 1)
    theirs = Lock(tmp_path)
    theirs.path.write_text("1\n/tmp/netcheck-theirs\n")  # of ``real``: nobody we are
    assert theirs.take()
    theirs.say("ours")
    assert "theirs" in theirs.path.read_text()
    theirs.free()


def test_what_another_users_lock_names_is_not_removed(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that several users share: what a killed program listened to is tidied up."""
    ours = tmp_path / "a report"
    ours.write_text("ours")
    real = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: real + 1)
    Lock(tmp_path).path.write_text(f"1\n{ours}\n")
    one = Alone(tmp_path)
    assert one.first(None)
    one.stop()
    assert ours.exists()


def test_a_socket_that_cannot_be_made_makes_nobody_wait(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("x" * 120)))  # longer than a socket's name
    one, other = Alone(tmp_path), Alone(tmp_path)
    assert one.first(None)
    began = time.monotonic()
    assert other.first(None)
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    "said", [b"x" * 100_000, b"\xff\xfe\0\0", b"\0\0"], ids=["endless", "no text", "nothing"]
)
def test_what_is_no_message_does_no_harm(qtbot: QtBot, first: Alone, said: bytes) -> None:
    assert first._server is not None
    socket = QLocalSocket()
    socket.connectToServer(first._server.fullServerName())
    qtbot.waitUntil(lambda: socket.state() == QLocalSocket.LocalSocketState.ConnectedState)
    heard: list[Path | None] = []
    first.called.connect(lambda file: heard.append(file))
    socket.write(said)
    qtbot.waitUntil(
        lambda: bool(heard) or socket.state() != QLocalSocket.LocalSocketState.ConnectedState
    )
    assert heard == (
        [] if len(said) > alone.MESSAGE_MAX else [Path("\udcff\udcfe") if said[0] else None]
    )
    socket.abort()


@pytest.mark.parametrize("said", [b"", b"\0" * 50, b"x\ny", b"1\n", b"\xff\n\xff\n", b"9" * 9999])
def test_a_damaged_lock_is_one_that_says_nothing(tmp_path: Path, said: bytes) -> None:
    one, other = Lock(tmp_path), Lock(tmp_path)
    one.path.write_bytes(said)
    assert one.take()
    assert not other.take()
    assert other.name in ("", "\ufffd")
    one.say("/tmp/here")
    assert (other.pid, other.name) == (os.getpid(), "/tmp/here")


def test_each_history_has_a_window(qapp: object, tmp_path: Path) -> None:
    one, other = Alone(tmp_path / "a"), Alone(tmp_path / "b")
    assert one.first(None)
    assert other.first(None)
    one.stop()
    other.stop()
