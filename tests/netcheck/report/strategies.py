"""Hypothesis strategies made from the model itself, so that a new field is covered at once."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec.inspect as mi
from hypothesis import strategies as st

from netcheck.report.model import Report

_WHOLE = st.integers(-(2**53), 2**53)
_TEXT = st.text(max_size=30)
# Drawings reckon with times, so that a reader takes none of more than thirty years.
_REAL = st.floats(-(2.0**29), 2.0**29, width=32)


def reports(text: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Report]:
    """Any report that the types allow, however improbable; `text` is what its texts are."""
    return _any(_TEXT if text is None else text)


@st.composite
def _any(draw: st.DrawFn, text: st.SearchStrategy[str]) -> Report:
    # Hypothesis spells out the strategies that a test names: this one would fill a book.
    report: Report = draw(_whole(text))
    return report


@cache
def _whole(text: st.SearchStrategy[str]) -> st.SearchStrategy[Report]:
    return _of(mi.type_info(Report), text)


def _of(kind: mi.Type, text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    match kind:
        case mi.StrType():
            return text
        case mi.BoolType():
            return st.booleans()
        case mi.IntType():
            return _WHOLE
        case mi.FloatType():
            return _REAL
        case mi.NoneType():
            return st.none()
        case mi.LiteralType(values=values):
            return st.sampled_from(values)
        case mi.UnionType(types=types):
            return st.one_of([_of(each, text) for each in types])
        case mi.ListType(item_type=item):
            return st.lists(_of(item, text), max_size=3)
        case mi.VarTupleType(item_type=item):
            return st.lists(_of(item, text), max_size=3).map(tuple)
        case mi.DictType(key_type=key, value_type=value):
            return st.dictionaries(_of(key, text), _of(value, text), max_size=3)
        case mi.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{f.name: _of(f.type, text) for f in fields})
    raise NotImplementedError(kind)
