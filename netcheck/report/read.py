"""Reading a saved report: every way in which a file is not a report has its own sentence.

Within ``netcheck.report/1`` a reader accepts what a newer netcheck added: unknown keys are
passed over, and observations of unknown probes are left out.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import stat
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from netcheck import __version__
from netcheck.report.model import SCHEMA, Report
from probes.observation import AnyObservation

# A report of every port there is stays under half of this; a larger file is some other
# file, and reading it would only fill the memory.
MAX_BYTES = 16 * 1024 * 1024

PIPE_SILENCE_S = 60.0
"""A pipe whose writer says nothing for as long is given up: whoever logs in elsewhere to fetch
the report needs less.  One without a writer ends at once."""

_MOST = {"features": 1000, "findings": 1000, "ports": 300_000}
_MOST_OTHERS = 40_000
"""Of anything, such as open ranges among the ports there are.  No check finds more, and what is
shown of each takes time."""

_LONGEST_S = 1e9
"""Thirty years; drawings reckon with times."""

_LONGEST_REASON = 200

_SCHEMA_NAME = re.compile(r"netcheck\.report/(\d{1,9})")
_PLACE = re.compile(r"^(?P<reason>.*) - at `\$(?P<place>.*)`$", re.DOTALL)
_PROBES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyObservation))


_T = TypeVar("_T")


class ReportError(Exception):
    """A report cannot be read or written; the text is one sentence for the user."""


def read(path: Path) -> Report:
    """The report in the file `path`.

    Raises `ReportError` if the file cannot be read or is not a report.
    """
    try:
        data = _content(path)
    except FileNotFoundError:
        raise ReportError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise ReportError(f"{path} is a folder; name a report file in it.") from None
    except PermissionError:
        raise ReportError(f"{path} cannot be opened: you have no permission to read it.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ReportError(f"{path} cannot be read: {reason}.") from None
    return parse(data, str(path))


def _content(path: Path) -> bytes:
    """A little more than the most that a report has, if there is more.  Waits for nobody for
    ever.  Raises OSError, ValueError and ReportError."""
    # Opening a pipe would wait for its other end.
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(file, "rb", buffering=0) as opened:
        mode = os.fstat(file).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
        if stat.S_ISREG(mode):
            return _read(opened)
        if not stat.S_ISFIFO(mode):
            raise ReportError(f"{path} is a device and no file; name a report file.")
        parts: list[bytes] = []
        while sum(map(len, parts)) <= MAX_BYTES and (part := _next(opened, path)):
            parts.append(part)
        return b"".join(parts)


def _next(opened: io.FileIO, path: Path) -> bytes:
    """What comes from a pipe, empty at its end or where nobody writes to it."""
    part = opened.read(1 << 20)
    if part is None and select.select([opened], [], [], PIPE_SILENCE_S)[0]:
        part = opened.read(1 << 20)
    if part is None:
        raise ReportError(f"{path} is a pipe that nothing comes from; name a report file.")
    return part


def _read(opened: io.FileIO) -> bytes:
    """As much as it takes, in the pieces that the system gives."""
    parts = []
    left = MAX_BYTES + 1
    while left > 0 and (part := opened.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def parse(data: bytes, name: str = "The report") -> Report:
    """The report in `data`; `name` is what error sentences call it.  Raises `ReportError`."""
    if len(data) > MAX_BYTES:
        raise ReportError(f"{name} is larger than {MAX_BYTES >> 20} MiB, so it is not a report.")
    try:
        return _parsed(_utf8(data), name)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ReportError(
            f"{name} is not JSON; a report is made with: netcheck check --format json."
        ) from None


def _parsed(data: bytes, name: str) -> Report:
    """Decodes one observation after the other: a single call for all of them would hold up
    every other thread, that of the window too, for as long as it takes.

    Raises `ReportError`, and what msgspec raises for what is not JSON.
    """
    try:
        parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        msgspec.json.decode(data)
        raise ReportError(f"{name} is JSON, but not a netcheck report.") from None
    kept = parts.pop("observations", msgspec.Raw(b"[]"))
    document = {key: msgspec.json.decode(part) for key, part in parts.items()}
    _check_schema(document, name)

    def made(at: str, make: Callable[[], _T]) -> _T:
        try:
            return make()
        except msgspec.ValidationError as error:
            raise ReportError(_incorrect(error, at, document, name)) from None

    _check_counts(document, name)
    report = made("", lambda: msgspec.convert(document, Report, str_keys=True))
    items = made("observations", lambda: msgspec.json.decode(kept, type=list[msgspec.Raw]))
    decoder = _observation_decoder()
    observations = [
        made(f"observations[{index}]", partial(decoder.decode, item))
        for index, item in enumerate(items)
        if not _of_unknown_probe(item)
    ]
    _check_times(report.duration_s, observations, name)
    return msgspec.structs.replace(report, observations=observations)


def _check_counts(document: dict[str, Any], name: str) -> None:
    for key, value in document.items():
        inner = value.items() if isinstance(value, dict) else ()
        for place, one in ((key, value), *((f"{key}.{part}", each) for part, each in inner)):
            if isinstance(one, (list, dict)) and len(one) > _MOST.get(place, _MOST_OTHERS):
                raise ReportError(
                    f"{name} is not a correct report, at {place[:_LONGEST_REASON]}: {len(one)}"
                    " entries, which no check finds."
                )


def _check_times(duration_s: float, observations: list[AnyObservation], name: str) -> None:
    times = [("duration_s", duration_s)]
    for index, each in enumerate(observations):
        times += [(f"observations[{index}].{at}", getattr(each, at)) for at in ("at_s", "took_s")]
    for place, time_s in times:
        if not abs(time_s) < _LONGEST_S:
            raise ReportError(
                f"{name} is not a correct report, at {place}: no check takes so long."
            )


@cache
def _observation_decoder() -> msgspec.json.Decoder[AnyObservation]:
    return msgspec.json.Decoder(AnyObservation)


def _utf8(data: bytes) -> bytes:
    """Windows PowerShell 5 redirects as UTF-16, and editors there add a byte-order mark."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def _check_schema(document: dict[str, Any], name: str) -> None:
    schema = document.get("schema")
    if schema == SCHEMA:
        return
    match = _SCHEMA_NAME.fullmatch(schema) if isinstance(schema, str) else None
    if match is None:
        raise ReportError(f"{name} is JSON, but not a netcheck report.")
    if int(match[1]) > int(SCHEMA.partition("/")[2]):
        raise ReportError(
            f"{name} was written by a newer netcheck ({schema}; this one reads {SCHEMA}):"
            " update netcheck to open it."
        )
    raise ReportError(f"{name} has the format {schema}, which this netcheck does not read.")


class _Tagged(msgspec.Struct):
    probe: Any = None


def _of_unknown_probe(item: msgspec.Raw) -> bool:
    try:
        probe = _TAGGED.decode(item).probe
    except msgspec.ValidationError:
        return False
    return isinstance(probe, str) and probe not in _PROBES


_TAGGED = msgspec.json.Decoder(_Tagged)


def _incorrect(error: msgspec.ValidationError, at: str, document: dict[str, Any], name: str) -> str:
    match = _PLACE.match(str(error))
    reason = match["reason"] if match else str(error)
    place = (at + (match["place"] if match else "")).lstrip(".") or "its top level"
    reason = reason[:1].lower() + reason[1:]
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[:_LONGEST_REASON]}…"
    place = place[:_LONGEST_REASON]
    return f"{name} is not a correct report, at {place}: {reason}{_newer(document)}."


def _newer(document: dict[str, Any]) -> str:
    """A hint for values that a later netcheck added, such as the name of a new cause."""
    tool = document.get("tool")
    version = tool.get("version") if isinstance(tool, dict) else None
    if isinstance(version, str) and _order(version) > _order(__version__):
        return f"; netcheck {version[:40]} wrote it and this is {__version__}, so update netcheck"
    return ""


def _order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", version)[:3]]
