"""The leak checks of conftest.py catch leaks, and only leaks."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

CLEAN = """
import asyncio, socket

def test_closes_its_socket():
    socket.socket().close()

async def test_ends_its_task():
    task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()

async def test_closes_its_stream():
    async def answer(reader, writer):
        writer.write(await reader.read(1))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x")
        assert await reader.read() == b"x"
        writer.close()
        await writer.wait_closed()
"""

SOCKET = """
import socket
KEPT = []

def test_leak():
    KEPT.append(socket.socket())
"""

SOCKET_IN_LOOP = """
import socket
KEPT = []

async def test_leak():
    KEPT.append(socket.socket())
"""

TASK = """
import asyncio
KEPT = []

async def test_leak():
    KEPT.append(asyncio.create_task(asyncio.sleep(3600)))
"""

TASK_OF_FIXTURE = """
import asyncio, pytest
KEPT = []

@pytest.fixture
async def leaky():
    yield
    KEPT.append(asyncio.create_task(asyncio.sleep(3600)))

async def test_leak(leaky):
    pass
"""


def outcome(directory: Path, test: str) -> tuple[int, str]:
    """Run a test file under a copy of conftest.py; return pytest's exit status and its output."""
    (directory / "conftest.py").write_text((HERE / "conftest.py").read_text())
    (directory / "test_planted.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


def test_a_tidy_test_passes(tmp_path: Path) -> None:
    status, output = outcome(tmp_path, CLEAN)
    assert status == pytest.ExitCode.OK, output
    assert "3 passed" in output


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        (SOCKET, "left open: socket:"),
        (SOCKET_IN_LOOP, "left open: socket:"),
        (TASK, "left running: <Task"),
        (TASK_OF_FIXTURE, "left running: <Task"),
    ],
    ids=["socket", "socket-in-loop", "task", "task-of-fixture"],
)
def test_a_leak_fails_its_test(tmp_path: Path, test: str, complaint: str) -> None:
    status, output = outcome(tmp_path, test)
    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert complaint in output
