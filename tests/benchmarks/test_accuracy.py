"""The page of verdicts and truth: what it keeps, and what it must not hide."""

from __future__ import annotations

import sys

from benchmarks.accuracy_editors_table import Found, Run, Table, render
from tests.lab.editor_scenarios import EDITOR_SCENARIOS, EditorScenario
from tests.lab.editor_verdicts import NO_ROW, judge

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks.accuracy import page


def named(name: str) -> EditorScenario:
    (found,) = (each for each in EDITOR_SCENARIOS if each.name == name)
    return found


def table(*runs: Run) -> str:
    names = {run.name for run in runs}
    return render(Table((0, 5), [named(name) for name in sorted(names)], runs, {}))


def test_a_part_that_is_not_made_stays_as_it_was() -> None:
    both = page("", {"nat": "of NATs\n", "editors": "of editors\n"})
    assert page(both, {}) == both
    assert page(both, {"editors": "new\n"}) == both.replace("of editors", "new")


def test_a_verdict_is_right_wrong_or_says_too_little() -> None:
    scenario = named("kernel-snmp")
    rows = [
        {"protocol": p, "verdict": v, "reason": "why"}
        for p, v in (("snmp", "not-tested"), ("ftp", "edited"), ("irc", "untouched"))
    ]
    said = {j.protocol: j for j in judge(scenario, {"editors": rows}, loss=True)}
    assert said["snmp"].judgement == "unknown"
    assert said["ftp"] == ("ftp", "wrong", "edited", "why")
    assert said["irc"].judgement == "right"
    assert (said["sip"].judgement, said["sip"].said) == ("wrong", NO_ROW)
    without = {j.protocol: j for j in judge(scenario, {"editors": rows}, loss=False)}
    assert without["snmp"].judgement == "wrong"


def test_what_is_wrong_is_in_the_table_with_its_reason() -> None:
    good = Run("kernel-ftp", 0, [Found("ftp", "right", "edited", "reached")])
    bad = Run("kernel-ftp", 5, [Found("ftp", "wrong", "untouched", "still says so")])
    text = table(good, bad)
    assert "| `kernel-ftp` | FTP: edited | 1 of 1 | 0 of 1; **WRONG**: FTP untouched 1× |" in text
    assert "| netcheck, 5 % loss | 1 | 0 | 0 | 1 |" in text
    assert "| FTP | 1 | 0 | 0 | 0 | 0 | 1 |" in text
    assert "FTP said `untouched` (still says so), truly `edited` (1×)" in text
    assert "None." in table(good)


def test_the_truth_names_what_is_special() -> None:
    runs = [Run(name, 0, []) for name in ("nat", "routed", "kernel-ftp-behind-a-carrier")]
    text = table(*runs)
    assert "| `nat` | – |" in text
    assert "| `routed` | all not-needed |" in text
    assert "| `kernel-ftp-behind-a-carrier` | FTP: edited-unreachable |" in text
