"""What is said of the protocols that carry the data of PPTP and IPsec."""

from __future__ import annotations

from typing import Any

import pytest

from netcheck.diagnosis import passing
from netcheck.diagnosis.facts import Facts
from probes.observation import AnyObservation, RawProtocol

from . import measured
from .measured import OURS, PUBLIC

HELD = (measured.control(), measured.loss(), measured.ledger(proven_addresses=(PUBLIC,)))


def raw(name: Any, **more: Any) -> RawProtocol:
    usual: dict[str, Any] = {"sent": 9, "local": OURS} | more
    return RawProtocol(id=f"raw-{name}", at_s=0.5, took_s=0.2, protocol=name, **usual)


THERE: dict[str, Any] = {"reached_server": True, "source": OURS}
BACK: dict[str, Any] = THERE | {"answered": True, "sent": 1}

CASES: dict[str, tuple[RawProtocol, str]] = {
    "esp": (raw("esp", **BACK), "; IPsec's own packets (ESP) pass as well"),
    "esp-translated": (
        raw("esp", **BACK | {"source": PUBLIC}), "; IPsec's own packets (ESP) pass as well",
    ),
    "esp-one-way": (
        raw("esp", **THERE), "; IPsec's own packets (ESP) go out, and no answer comes in",
    ),
    "esp-dropped": (raw("esp"), "; IPsec's own packets (ESP) do not pass"),
    "esp-lost": (raw("esp", sent=5), ""),
    "esp-lost-back": (raw("esp", **THERE | {"sent": 5}), ""),
    "esp-untested": (raw("esp", sent=0, untested="only an administrator may send it"), ""),
    "esp-broke": (raw("esp", untested="this computer: no buffer space"), ""),
    "ah": (raw("ah", **BACK), "; signed packets (AH) pass as well"),
    "ah-translated": (
        raw("ah", **BACK | {"source": PUBLIC}),
        "; signed packets (AH) arrive useless: their signature covers the address,"
        " and it was changed",
    ),
    "ah-dropped": (raw("ah"), "; signed packets (AH) do not pass"),
    "gre": (raw("gre", **BACK), "; the call's data (GRE) passes as well"),
    "gre-one-way": (
        raw("gre", **THERE), "; the call's data (GRE) goes out, and no answer comes in",
    ),
    "gre-dropped": (raw("gre"), "; the call's data (GRE) does not pass"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_sentences(name: str) -> None:
    found, expected = CASES[name]
    facts = Facts([*HELD, found])
    row, other = ("pptp", "ipsec") if found.protocol == "gre" else ("ipsec", "pptp")
    assert passing.sentence(facts, row) == expected
    assert passing.sentence(facts, other) == passing.sentence(facts, "ftp") == ""
    assert passing.evidence(facts, row) == ([] if found.untested else [found.id])


@pytest.mark.parametrize(
    "circumstance", [measured.control(confirmed_at_end=False), measured.loss(80),
                     measured.ledger(complete=False)],
)  # fmt: skip
def test_silence_that_has_other_reasons_is_not_told_of(circumstance: AnyObservation) -> None:
    others = [o for o in HELD if o.id != circumstance.id]
    assert passing.sentence(Facts([*others, circumstance, raw("esp")]), "ipsec") == ""
