"""Without root's power over files: what may not be read or written is so in a test as well."""

from __future__ import annotations

import ctypes
import os
import sys

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def give_up() -> None:
    """For the ``preexec_fn`` of a child: what it then starts obeys the modes of files, root or
    not (capabilities(7): a power outside the bounding set is not had again by exec).

    Raises `OSError` where the system does not let go of them.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    if sys.platform != "linux":
        raise OSError("run these tests as a user other than root")
    system = ctypes.CDLL(None, use_errno=True)
    for power in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if system.prctl(_PR_CAPBSET_DROP, power, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl: a power cannot be given up")
