"""What every test is held to: it leaves no task running and no socket open.

The event loop of a test cancels what is left when it closes, and the garbage collector closes
forgotten sockets, so both leaks would go unseen without asking here.
"""

import asyncio
import inspect
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no defect of the code under test; pytest's own timeout still ends a hang.
settings.register_profile("netcheck", deadline=None)
settings.load_profile("netcheck")

# A shell starts what runs in its background with Ctrl+C ignored, and every child inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Turns of the loop for a task that was cancelled, or has finished its work, to get to its end:
# one to deliver the cancellation, the others for the tasks that waited for it.
LAST_TURNS = 5

OPEN_FILES = Path("/proc/self/fd")


def open_sockets() -> set[str]:
    """Return this process's sockets by inode; nothing where the system has no such list."""
    if not OPEN_FILES.is_dir():
        return set()
    names = set()
    for file in OPEN_FILES.iterdir():
        try:
            names.add(str(file.readlink()))
        except FileNotFoundError:  # the descriptor of this very listing
            continue
    return {name for name in names if name.startswith("socket:")}


@pytest.fixture(autouse=True)
def no_socket_left_open() -> Iterator[None]:
    """Fail a test that leaves a socket open."""
    before = open_sockets()
    yield
    left = open_sockets() - before
    assert not left, f"left open: {', '.join(sorted(left))}"


@pytest.fixture
async def no_task_left_running() -> AsyncIterator[None]:
    """Fail an asynchronous test that leaves a task running in its loop."""
    before = asyncio.all_tasks()
    yield
    for _ in range(LAST_TURNS):
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0)
    assert not left, f"left running: {', '.join(sorted(repr(task) for task in left))}"


@pytest.fixture(autouse=True)
def no_leak(request: pytest.FixtureRequest, no_socket_left_open: None) -> None:
    """Order the two checks: sockets are counted outside the loop, which has sockets of its own."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("no_task_left_running")
