"""The table of networks with editors says what it must, of everything."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from tests.lab.description import EDITORS, Flavour
from tests.lab.editor_scenarios import (
    EDITOR_SCENARIOS,
    LOSSES,
    PROTOCOLS,
    VERDICTS,
    EditorScenario,
    at_one_loss,
)


def by_name(name: str) -> EditorScenario:
    (found,) = (each for each in EDITOR_SCENARIOS if each.name == name)
    return found


def test_each_scenario_has_its_name_and_judges_every_protocol() -> None:
    assert max(Counter(each.name for each in EDITOR_SCENARIOS).values()) == 1
    for each in EDITOR_SCENARIOS:
        assert set(PROTOCOLS) - set(each.truth) <= {"icmp"}, each.name
        for true in each.truth.values():
            assert true
            assert set(true) <= set(VERDICTS)


def test_each_editor_and_flavour_is_alone_in_one() -> None:
    for editor in EDITORS:
        assert by_name(f"kernel-{editor}").network.editors == (editor,)
    for flavour in get_args(Flavour):
        box = by_name(f"rewriting-{flavour}").network.rewriting
        assert box is not None
        assert box.flavour == flavour


def test_each_editor_and_flavour_is_met_with_loss_and_without() -> None:
    met: dict[str, set[int]] = {}
    for scenario, loss in at_one_loss():
        network = scenario.network
        kind = network.rewriting.flavour if network.rewriting else ",".join(network.editors)
        met.setdefault(kind, set()).add(loss)
    assert len(list(at_one_loss())) == len(EDITOR_SCENARIOS)
    # of these there is one network each
    assert {kind for kind in met if met[kind] != set(LOSSES)} <= {"tftp", "amanda"}


def test_every_verdict_but_not_tested_is_the_only_true_one_somewhere() -> None:
    alone = {true[0] for s in EDITOR_SCENARIOS for true in s.truth.values() if len(true) == 1}
    assert alone == set(VERDICTS) - {"not-tested"}


def test_loss_excuses_only_what_rests_on_silence() -> None:
    plain = by_name("nat")
    assert plain.allowed("ftp", loss=True) == ("untouched",)
    snmp = by_name("kernel-snmp")
    assert snmp.allowed("snmp") == ("blocked",)
    assert snmp.allowed("snmp", loss=True) == ("blocked", "edited", "not-tested")
    too_short = by_name("rewriting-search-and-replace")
    assert too_short.allowed("msn") == ("mangled",)
    assert too_short.allowed("msn", loss=True) == ("mangled", "not-tested")
    assert by_name("rewriting-half").allowed("ldap", loss=True) == ("mangled",)
