"""No display, a wrong one, one that does not answer: one sentence, exit status 2, and no noise."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from netcheck.cli import display
from netcheck.cli.display import NoDisplayError
from tests.netcheck.cli.test_cli import netcheck, refused
from tests.window.screen import ScreenError, screen

if sys.platform in ("win32", "darwin"):
    pytest.skip("there is always a display", allow_module_level=True)

VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def platform() -> str:
    with display.platform() as name:
        return name


def given(**named: str) -> dict[str, str]:
    return {**dict.fromkeys(VARIABLES, ""), **named}


@pytest.mark.parametrize("command", [("gui",), ()], ids=["gui", "bare"])
@pytest.mark.parametrize(
    ("named", "word"),
    [
        ({"DISPLAY": ":4711"}, "display :4711 cannot be reached"),
        ({"DISPLAY": "nonsense"}, "display nonsense cannot be reached"),
        ({"WAYLAND_DISPLAY": "wayland-9"}, "named without XDG_RUNTIME_DIR"),
        ({"WAYLAND_DISPLAY": "/none", "DISPLAY": ":4711"}, "no Wayland display /none; the disp"),
        ({"QT_QPA_PLATFORM": "nonsense"}, "cannot use the platform 'nonsense'"),
    ],
    ids=lambda given_: "+".join(given_) if isinstance(given_, dict) else None,
)
def test_a_wrong_display_is_one_sentence(
    command: tuple[str, ...], named: dict[str, str], word: str
) -> None:
    refused(netcheck(*command, env=given(**named, XDG_RUNTIME_DIR="")), word, "netcheck check")


def test_bare_without_a_display_is_the_help() -> None:
    done = netcheck(env=given())
    assert done.returncode == 2
    assert "Usage: netcheck" in done.stdout


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    """Damaged, as a test can have it."""
    (tmp_path / "libxcb-cursor.so.0").write_bytes(b"")
    with screen() as person:
        done = netcheck("gui", env=given(DISPLAY=person.display, LD_LIBRARY_PATH=str(tmp_path)))
    refused(done, "library libxcb-cursor.so.0 is missing or damaged", "netcheck check")


def test_a_display_that_ends_with_its_last_client_lasts_until_the_window_is_there() -> None:
    """As others begin anew, and drop whoever connects meanwhile."""
    program = """
from netcheck.cli import display
with display.platform():
    print('asked', flush=True)
    input()
"""
    with screen("-terminate") as person:
        asking = subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | given(DISPLAY=person.display, QT_QPA_PLATFORM="xcb"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with asking:
            assert asking.stdout is not None
            assert asking.stdout.readline() == b"asked\n"
            with pytest.raises(ScreenError):
                person.until(person.ended, "the end of the display", 0.5)
            asking.kill()
            person.until(person.ended, "the end of the display")


def test_a_frozen_display_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with screen() as person:
        monkeypatch.setenv("DISPLAY", person.display)
        assert platform() == "xcb"
        monkeypatch.setattr(display, "ANSWER_S", 0.3)
        os.kill(person.server.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(NoDisplayError, match=f"{person.display} does not answer"):
                platform()
            assert time.monotonic() - began < 2.0
        finally:
            os.kill(person.server.pid, signal.SIGCONT)


def wayland(folder: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "w"))
    listening.listen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "w")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return listening


def test_a_wayland_display_that_answers_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wayland(tmp_path, monkeypatch) as listening:

        def answer() -> None:
            client, _ = listening.accept()
            with client:
                if client.recv(12)[:4] == (1).to_bytes(4, sys.byteorder):
                    client.sendall(b"\x02\0\0\0")

        thread = threading.Thread(target=answer)
        thread.start()
        assert platform() == "wayland"
        thread.join()


def test_a_wayland_display_that_is_silent_or_leaves_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "ANSWER_S", 0.1)
    with wayland(tmp_path, monkeypatch) as listening:
        with pytest.raises(NoDisplayError, match="w does not answer"):
            platform()

        def leave() -> None:
            for _ in range(2):  # one has waited since the first question
                listening.accept()[0].close()

        thread = threading.Thread(target=leave)
        thread.start()
        with pytest.raises(NoDisplayError, match="no Wayland display w"):
            platform()
        thread.join()


@pytest.mark.parametrize("wanted", ["offscreen", "minimal", "vnc:port=5", "xcb;offscreen"])
def test_other_platforms_are_qts_own(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", wanted)
    assert platform() == ""


def test_without_qt_it_is_one_sentence() -> None:
    code = (
        "import sys; sys.modules['PySide6'] = None; sys.argv = ['netcheck', 'gui']\n"
        "from netcheck.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("The window needs Qt, which is not installed")
    assert len(done.stderr.splitlines()) == 1
