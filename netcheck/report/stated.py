"""Facts as text: whatever a struct states, each number with its unit, long lists cut short."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from probes.observation import Attempt, PortSample

# Entries of one list of an observation, such as the server's ledger; the JSON has them all.
_MAX_ENTRIES = 12

# Characters of one list, so that entries which say much do not fill the page either.
_MAX_LIST = 400

# A rate ("packets_per_s") is no duration.
_UNIT = re.compile("(?<!_per)_(s|ms)$")


def known(facts: msgspec.Struct, besides: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """The facts of a struct that are known, but for those ``besides``: name, label and text."""
    return [
        (name, _label(name), _measured(name, value))
        for name, value in msgspec.structs.asdict(facts).items()
        if value not in (None, "", "unknown", [], {}) and name not in besides
    ]


def without(facts: msgspec.Struct, *names: str) -> str:
    """Whatever was stated, without what is shown beside it."""
    stated = _stated(facts)
    return _joined({name: stated[name] for name in stated if name not in names})


def _stated(facts: msgspec.Struct) -> dict[str, Any]:
    """The fields that say something: a default is what was not seen to happen."""
    return {
        field.name: value
        for field in msgspec.structs.fields(facts)
        if (value := getattr(facts, field.name)) != field.default
    }


def _joined(facts: dict[Any, Any]) -> str:
    """``port 6891, took 0.2 s``."""
    return ", ".join(
        f"{_label(name)} {_measured(name, value)}"
        for name, value in facts.items()
        if value not in ([], (), {}, None, "")
    )


def _label(name: Any) -> str:
    return _UNIT.sub("", str(name)).replace("_", " ")


def _measured(name: Any, value: Any) -> str:
    """A value with the unit that its key ends in, if it does."""
    unit = _UNIT.search(str(name))
    if name == "losses":
        return _cut([str(count) for count in value])  # counts, and no port numbers
    if name == "jitters_ms":
        return f"{_cut(['–' if each is None else _value(each) for each in value])} ms"
    return f"{_value(value)} {unit[1]}" if unit else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, Attempt):
        took = f" in {milliseconds(value.took_s * 1000)}" if value.took_s is not None else ""
        return f"{value.outcome}{took}{f' ({value.detail})' if value.detail else ''}"
    if isinstance(value, msgspec.Struct):
        return f"({_joined(_stated(value))})"
    if isinstance(value, dict):
        return f"({_joined(value)})"
    if isinstance(value, (list, tuple)):
        return _several(value)
    return str(value)


def _several(values: Sequence[Any]) -> str:
    if values and all(type(value) is int for value in values) and sorted(set(values)) == [*values]:
        return ranges(values)
    if values and all(isinstance(value, PortSample) for value in values):
        return _cut(_sampled(values))
    return _cut([_value(value) for value in values])


def _cut(entries: list[str]) -> str:
    """Those that are the same and follow each other as one, and not too many."""
    runs = [(said, len(list(run))) for said, run in groupby(entries)]
    shown: list[str] = []
    for said, times in runs[:_MAX_ENTRIES]:
        if shown and sum(map(len, shown)) + len(said) > _MAX_LIST:
            break
        shown.append(said if times == 1 else f"{times} × {said}")
    left = sum(times for _, times in runs[len(shown) :])
    return ", ".join([*shown, f"and {left} more"] if left else shown)


def _sampled(samples: Iterable[PortSample]) -> list[str]:
    """Neighbours that fared the same together: ``1587–16100 blocked (53 tried)``."""
    said = []
    in_order = sorted(samples, key=lambda sample: sample.port)
    for outcome, run in groupby(in_order, key=lambda sample: sample.outcome):
        ports = [sample.port for sample in run]
        if len(ports) == 1:
            said.append(f"{ports[0]} {outcome}")
        else:
            said.append(f"{ports[0]}–{ports[-1]} {outcome} ({len(ports)} tried)")
    return said


def milliseconds(value: float) -> str:
    """A round trip as text: tenths matter only below 10 ms."""
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def ranges(ports: Iterable[int]) -> str:
    """Port numbers as text: ``6891–6900, 6905``."""
    # The numbers of a run are all equally far ahead of their place in the list.
    numbered = enumerate(sorted(set(ports)))
    runs = [[port for _, port in run] for _, run in groupby(numbered, lambda it: it[1] - it[0])]
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
