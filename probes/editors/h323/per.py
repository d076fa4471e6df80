"""Values of H.225.0 and H.245 and their bytes, by aligned PER (ITU-T X.691).

``h225.asn1``, ``h245.asn1`` and ``beginnings.asn1`` say what is known of the two.  To parse them
takes ten times as long as to compile them, so ``schema.json`` holds what comes of it.
``test_h323_per`` says when it does not, and how to write it anew.

A value is what asn1tools makes of it: a dict for a SEQUENCE, a pair of name and value for a
CHOICE.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asn1tools  # type: ignore[import-untyped]

from probes.editors.contract import bounded
from probes.errors import WireError

Value = Any
"""What asn1tools reads and writes; it has no types of its own."""

SCHEMA = Path(__file__).with_name("schema.json")
_RANGES = ("size", "restricted-to", "from")


def schema(text: str) -> dict[str, Any]:
    """What ``asn1tools.parse_string`` gave, out of JSON, which knows no tuples."""

    def restored(found: dict[str, Any]) -> dict[str, Any]:
        for key in found.keys() & _RANGES:
            found[key] = [tuple(r) if isinstance(r, list) else r for r in found[key]]
        return found

    parsed: dict[str, Any] = json.loads(text, object_hook=restored)
    return parsed


_TYPES = asn1tools.compile_dict(schema(SCHEMA.read_text()), "per")


def write(kind: str, value: Value) -> bytes:
    """The bytes of ``value``, which is of the type ``kind``.  Raises WireError."""
    try:
        data: bytes = _TYPES.encode(kind, value)
    except Exception as error:
        # asn1tools raises whatever its Python comes upon.
        raise WireError(f"per.{kind}", f"it cannot be written: {type(error).__name__}") from None
    return data


def read(kind: str, data: bytes) -> Value:
    """The value of the type ``kind`` that ``data`` begins with.  Raises WireError.

    Every element of a list takes a byte or more, so time and memory are in proportion to
    ``data``, whatever counts it claims.
    """
    try:
        return _TYPES.decode(kind, bounded("per", data))
    except WireError:
        raise
    except Exception as error:  # as above
        raise WireError(f"per.{kind}", f"it cannot be read: {type(error).__name__}") from None


def canonical(kind: str, data: bytes, value: Value, masked: Value) -> bytes:
    """``masked`` as bytes, if ``value`` is all that ``data`` says; ``data`` itself if it says
    more, or says it in other words.  No sender here does, so that is a change as well."""
    try:
        return write(kind, masked) if write(kind, value) == data else data
    except WireError:
        return data
