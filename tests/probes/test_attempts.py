import errno

import pytest

from probes.attempts import classify
from probes.observation import AttemptOutcome


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.ECONNRESET, "refused"),
        (errno.ECONNABORTED, "refused"),
        (errno.EPIPE, "refused"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTDOWN, "unreachable"),
        (errno.ENETDOWN, "unreachable"),
        (errno.ETIMEDOUT, "silent"),
        (errno.EPERM, "local-error"),
        (errno.EADDRINUSE, "local-error"),
    ],
)
def test_what_an_error_says_of_the_network(number: int, outcome: AttemptOutcome) -> None:
    assert classify(OSError(number, "in words")) == (outcome, "in words")


class _FromWindows(OSError):
    """As asyncio's event loop on Windows raises it: EINVAL stands for all it does not know."""

    def __init__(self, winerror: int) -> None:
        super().__init__(errno.EINVAL, "in words")
        self.winerror = winerror


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (_FromWindows(1234), "refused"),
        (_FromWindows(121), "silent"),
        (_FromWindows(1231), "unreachable"),
        (_FromWindows(1232), "unreachable"),
        (_FromWindows(87), "local-error"),
        (ConnectionRefusedError(errno.EINVAL, "in words"), "refused"),
        (ConnectionResetError(errno.EINVAL, "in words"), "refused"),
        (ConnectionAbortedError(errno.EINVAL, "in words"), "refused"),
    ],
)
def test_what_one_of_windows_says(error: OSError, outcome: AttemptOutcome) -> None:
    assert classify(error) == (outcome, "in words")
