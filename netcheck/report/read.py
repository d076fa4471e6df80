"""Reading a saved report: every way in which a file is not a report has its own sentence.

Within ``netcheck.report/1`` a reader accepts what a newer netcheck added: unknown keys are
passed over, and observations of unknown probes are left out.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any, get_args

import msgspec

from netcheck import __version__
from netcheck.report.model import SCHEMA, Report
from probes.observation import AnyObservation

# A report of every port there is stays under a tenth of this; a larger file is some other
# file, and reading it would only fill the memory.
MAX_BYTES = 64 * 1024 * 1024

_SCHEMA_NAME = re.compile(r"netcheck\.report/(\d{1,9})")
_PLACE = re.compile(r"^(?P<reason>.*) - at `\$(?P<place>.*)`$", re.DOTALL)
_PROBES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyObservation))


class ReportError(Exception):
    """A report cannot be read or written; the text is one sentence for the user."""


def read(path: Path) -> Report:
    """The report in the file `path`.

    Raises `ReportError` if the file cannot be read or is not a report.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
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


def parse(data: bytes, name: str = "The report") -> Report:
    """The report in `data`; `name` is what error sentences call it.  Raises `ReportError`."""
    if len(data) > MAX_BYTES:
        raise ReportError(f"{name} is larger than {MAX_BYTES >> 20} MiB, so it is not a report.")
    document = _document(data, name)
    _check_schema(document, name)
    kept = document.pop("observations", [])
    report: Report = _convert(document, Report, "", document, name)
    observations = [
        _convert(item, AnyObservation, f"observations[{index}]", document, name)
        for index, item in enumerate(_convert(kept, list[Any], "observations", document, name))
        if not _of_unknown_probe(item)
    ]
    return msgspec.structs.replace(report, observations=observations)


def _document(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(_utf8(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ReportError(
            f"{name} is not JSON; a report is made with: netcheck check --format json."
        ) from None
    if not isinstance(document, dict):
        raise ReportError(f"{name} is JSON, but not a netcheck report.")
    return document


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


def _of_unknown_probe(item: Any) -> bool:
    probe = item.get("probe") if isinstance(item, dict) else None
    return isinstance(probe, str) and probe not in _PROBES


def _convert(value: Any, kind: Any, at: str, document: dict[str, Any], name: str) -> Any:
    try:
        return msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        match = _PLACE.match(str(error))
        reason = match["reason"] if match else str(error)
        place = (at + (match["place"] if match else "")).lstrip(".") or "its top level"
        reason = reason[:1].lower() + reason[1:]
        raise ReportError(
            f"{name} is not a correct report, at {place}: {reason}{_newer(document)}."
        ) from None


def _newer(document: dict[str, Any]) -> str:
    """A hint for values that a later netcheck added, such as the name of a new cause."""
    tool = document.get("tool")
    version = tool.get("version") if isinstance(tool, dict) else None
    if isinstance(version, str) and _order(version) > _order(__version__):
        return f"; netcheck {version} wrote it and this is {__version__}, so update netcheck"
    return ""


def _order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", version)[:3]]
