"""The subset of H.225.0 and H.245: against its own text, and against the whole schema.

``python -m tests.probes.editors.test_h323_per`` writes schema.json anew.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import asn1tools  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrate_asn1dir import H225, H245  # type: ignore[import-untyped]

from probes.editors.contract import MESSAGE_MAX
from probes.editors.h323 import per
from probes.errors import WireError

WHOLE = {"H225": H225.H323_MESSAGES, "H245": H245.MULTIMEDIA_SYSTEM_CONTROL}
"""The recommendations' own schema, as pycrate has it: nothing of ours is in it."""

NAMED_HERE = {"Numbered", "Channel", "Caps", "Beginning"}
"""Types of ours that stand for several of theirs: compared where they are used."""


def parsed() -> dict[str, Any]:
    modules: dict[str, Any] = {}
    for name in ("h225", "h245", "beginnings"):
        modules |= asn1tools.parse_string(per.SCHEMA.with_name(f"{name}.asn1").read_text())
    return modules


def generated(modules: dict[str, Any]) -> str:
    """schema.json, one type a line."""
    parts = []
    for name, module in modules.items():
        types = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in module["types"].items())
        rest = json.dumps({key: part for key, part in module.items() if key != "types"})
        parts.append(f'"{name}": {{"types": {{\n{types}\n}}, {rest[1:]}')
    return "{" + ",\n".join(parts) + "}\n"


def test_schema_is_what_the_text_says() -> None:
    modules = parsed()
    assert per.SCHEMA.read_text() == generated(modules)
    assert per.schema(generated(modules)) == modules


def theirs_of(module: str, name: str) -> Any:
    return getattr(WHOLE[module], name.replace("-", "_"))


def check(module: str, ours: dict[str, Any], theirs: Any, where: str) -> None:
    """Our type takes the bits that theirs takes: PER goes by number, order and ranges."""
    kind = ours["type"]
    if kind == "NULL":
        return  # a placeholder: what it stands for is not read
    if kind == "BOOLEAN" and theirs.TYPE == "NULL":
        # As an extension it makes the byte that a NULL is; asn1tools makes none of its own.
        assert where.rpartition(".")[2] in (
            "none", "separateLANStack", "segmentationAndReassembly", "hdlcFrameTunnelingwSAR",
            "v120",
        ), where  # fmt: skip
        return
    named = PARSED[module]["types"].get(kind)
    if named:
        check(module, named, theirs, where)
        return
    assert kind == theirs.TYPE, where
    if kind in ("SEQUENCE", "CHOICE"):
        check_members(module, ours, theirs, where)
    elif kind in ("SEQUENCE OF", "SET OF"):
        assert size(ours) == bounds(theirs._const_sz), where
        check(module, ours["element"], theirs._cont, f"{where}[]")
    elif kind == "INTEGER":
        ranges = [r for r in ours.get("restricted-to", []) if isinstance(r, tuple)]
        assert (ranges[0] if ranges else None) == bounds(theirs._const_val), where
    elif kind in ("OCTET STRING", "IA5String", "BMPString"):
        assert size(ours) == bounds(theirs._const_sz), where


def check_members(module: str, ours: dict[str, Any], theirs: Any, where: str) -> None:
    members = ours["members"]
    end = members.index(None) if None in members else len(members)
    root, more = members[:end], members[end + 1 :]
    assert [member["name"] for member in root] == list(theirs._root), where
    assert (None in members) == (theirs._ext is not None), f"{where}: extensible"
    assert [member["name"] for member in more] == list(theirs._ext or [])[: len(more)], where
    for member in root + more:
        name = f"{where}.{member['name']}"
        its = theirs._cont[member["name"]]
        if member in root and ours["type"] == "SEQUENCE":
            assert member.get("optional", False) == bool(its._opt), f"{name}: optional"
        check(module, member, its, name)


def size(ours: dict[str, Any]) -> Any:
    found = ours.get("size")
    if not found or found == [None]:
        return None
    return found[0] if isinstance(found[0], tuple) else (found[0], found[0])


def bounds(theirs: Any) -> Any:
    if theirs is None:
        return None
    (only,) = theirs.root
    return (only, only) if isinstance(only, int) else (only.lb, only.ub)


PARSED = per.schema(per.SCHEMA.read_text())


@pytest.mark.parametrize(
    ("module", "name"),
    [(m, n) for m, found in PARSED.items() for n in found["types"] if n not in NAMED_HERE],
)
def test_every_type_has_the_shape_of_the_recommendation(module: str, name: str) -> None:
    check(module, PARSED[module]["types"][name], theirs_of(module, name), name)


KINDS = ("H323-UserInformation", "MultimediaSystemControlMessage", "OpenLogicalChannel")


@given(st.sampled_from((*KINDS, "Beginning")), st.binary(max_size=300))
def test_any_bytes_are_a_value_or_refused(kind: str, data: bytes) -> None:
    with suppress(WireError):
        per.read(kind, data)


LONGEST = [
    bytes([first]) * second + bytes([third]) * (MESSAGE_MAX - second)
    for first in (0x00, 0x20, 0x7F, 0x80, 0xC4, 0xFF)
    for second in (1, 3, 40)
    for third in (0x00, 0x01, 0x40, 0x80, 0xC4, 0xFF)
]


@pytest.mark.parametrize("kind", [*KINDS, "Beginning"])
def test_the_longest_messages_take_no_time(kind: str) -> None:
    """Counts and lengths as large as they can be, in all places, in as much as is read."""
    for data in LONGEST:
        began = time.process_time()
        with suppress(WireError):
            per.read(kind, data)
        assert time.process_time() - began < 1, (kind, data[:50])


def test_more_than_that_is_not_read() -> None:
    with pytest.raises(WireError):
        per.read("Beginning", bytes(MESSAGE_MAX + 1))


if __name__ == "__main__":
    per.SCHEMA.write_text(generated(parsed()))
