"""The report without what says who it is about: users, hosts, addresses, programs (pure).

Everything else stays: a redacted report can be read, compared and diagnosed again.  Ports are
kept, and of an address whether it is private, the carrier's or public (see
:mod:`netcheck.report.placeholders`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import msgspec.inspect as mi

from netcheck.report.model import Report
from netcheck.report.placeholders import Kind, Placeholders

_NAMES: dict[tuple[str, str], Kind] = {
    ("Host", "name"): "computer",
    ("LocalFacts", "hostname"): "computer",
    ("Server", "host"): "server",
    ("Control", "host"): "server",
    ("NameLookup", "name"): "server",
    ("NameLookup", "service"): "server",
    ("StunSeen", "server"): "server",
    ("Server", "fingerprint"): "fingerprint",
    ("Control", "fingerprint"): "fingerprint",
    ("Host", "vpn_interfaces"): "interface",
    ("LocalFacts", "vpn_interfaces"): "interface",
    ("Host", "proxies"): "proxy",
    ("LocalFacts", "proxies"): "proxy",
    ("Server", "via_proxy"): "proxy",
    ("Control", "via_proxy"): "proxy",
}
"""What is a name, and of what; of the fields of structs."""

_PARAMETERS: dict[str, Kind] = {
    "hostname": "computer",
    "server_host": "server",
    "name": "server",
    "program": "program",
    "proxy": "proxy",
}
"""The same for the parameters of findings."""


def redact(report: Report, users: Collection[str] = ()) -> Report:
    """`report` with a placeholder for each name and address.

    `users`: the names of people that are known, such as the one who runs this program; those in
    the paths of home folders are found without.
    """
    known = Placeholders()
    for text in _texts(report):
        known.reserve(text)
    for text, kind in _named(report):
        known.name(text, kind)
    for user in users:
        known.name(user, "user")
    for text in _texts(report):
        known.learn(text)
    known.complete()
    redacted: Report = _redacted(report, known, is_name=False)
    return redacted


def _named(value: Any) -> Iterator[tuple[str, Kind]]:
    """Every name, and what it is the name of."""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            one = getattr(value, field)
            if kind := _kind(value, field):
                yield from ((text, kind) for text in _texts(one))
            elif field == "parameters":
                named = ((one.get(name), kind) for name, kind in _PARAMETERS.items())
                yield from ((text, kind) for text, kind in named if isinstance(text, str))
            else:
                yield from _named(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _named(one)


def _kind(value: msgspec.Struct, name: str) -> Kind | None:
    if name == "busy_by":
        return "program"
    return _NAMES.get((type(value).__name__, name))


def _texts(value: Any) -> Iterator[str]:
    """All texts, in the order of the model, those of closed lists left out."""
    match value:
        case str():
            yield value
        case msgspec.Struct():
            for name in _free(type(value)):
                yield from _texts(getattr(value, name))
        case dict():
            for key, one in value.items():
                yield from _texts(key)
                yield from _texts(one)
        case list() | tuple():
            for one in value:
                yield from _texts(one)


def _redacted(value: Any, known: Placeholders, *, is_name: bool) -> Any:
    match value:
        case str():
            return value if _is_moment(value) else known.redact(value, is_name=is_name)
        case msgspec.Struct():
            parts = {
                name: _redacted(getattr(value, name), known, is_name=_kind(value, name) is not None)
                for name in _free(type(value))
            }
            return msgspec.structs.replace(value, **parts)
        case dict():
            return {
                _redacted(key, known, is_name=False): _redacted(
                    one, known, is_name=is_name or key in _PARAMETERS
                )
                for key, one in value.items()
            }
        case list() | tuple():
            return type(value)(_redacted(each, known, is_name=is_name) for each in value)
    return value


def _is_moment(text: str) -> bool:
    try:
        return "T" in text and text.isascii() and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


@cache
def _free(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields that can hold any text, and not only one of a closed list."""
    info = mi.type_info(kind)
    assert isinstance(info, mi.StructType)
    return tuple(field.name for field in info.fields if _holds_text(field.type))


def _holds_text(kind: mi.Type) -> bool:
    match kind:
        case mi.StrType() | mi.StructType() | mi.AnyType():
            return True
        case mi.UnionType(types=types):
            return any(map(_holds_text, types))
        case mi.ListType(item_type=item) | mi.VarTupleType(item_type=item):
            return _holds_text(item)
        case mi.DictType(key_type=key, value_type=value):
            return _holds_text(key) or _holds_text(value)
    return False
