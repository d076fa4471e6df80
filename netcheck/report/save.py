"""Writing a file whole or not at all.

The text goes to a new file beside the target, to the disk, and then takes the target's
name: a full disk, a crash or Ctrl+C leaves the old file as it was and nothing else.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from netcheck.report.read import ReportError

_SENTENCES = {
    errno.ENOENT: "there is no folder {folder}; make it, or choose another folder",
    errno.ENOTDIR: "{folder} is not a folder; choose another place",
    errno.EISDIR: "it is a folder; add a file name to it",
    errno.EACCES: "you may not write there; choose a folder of your own",
    errno.EPERM: "you may not write there; choose a folder of your own",
    errno.EROFS: "the disk is read-only; choose a folder on another one",
    errno.ENOSPC: "the disk is full; free some space, or choose a folder on another one",
    errno.EDQUOT: "your disk quota is used up; free some space, or choose another disk",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def save(path: Path, text: str | bytes) -> None:
    """Write `text`, as UTF-8, or bytes to `path`, atomically; a symbolic link keeps pointing at it.

    Devices and pipes are written to directly, since they cannot be replaced.
    Raises `ReportError`, saying what is wrong, where, and what to do.
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise ReportError(_sentence(path, error)) from None
    except ValueError:  # a NUL in the name
        raise ReportError(f"{str(path)!r} is not a file name.") from None


def _replace(target: Path, data: bytes) -> None:
    exists = target.exists()
    if exists and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    # Not tempfile: it makes files that only their owner may read, against the user's umask.
    temporary = target.parent / f".netcheck-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if exists:
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sentence(path: Path, error: OSError) -> str:
    number = error.errno or 0
    reason = _SENTENCES.get(number) or error.strerror or str(error)
    return f"{path} cannot be written: {reason.format(folder=path.absolute().parent)}."
