"""The report in one or two sentences that a person would say (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netcheck import profile
from netcheck.report.model import Feature, Finding, Report, Verdict
from netcheck.report.page import clean

REASON_MAX = 160
"""Characters: what is longer is no part of a sentence; the finding's article says it all."""


def sentence(report: Report, words: Mapping[tuple[str, str], str] | None = None) -> str:
    """What works and what does not, and the first reason why.

    ``words`` go on after "you can", by profile and feature id; without them those of the
    built-in profiles.
    """
    known = in_words() if words is None else words
    able: dict[Verdict, list[str]] = {"works": [], "limited": [], "fails": [], "unknown": []}
    for feature in report.features:
        able[feature.verdict].append(_doing(feature, known))
    if not report.features:
        return "Nothing was tested."
    if len(able["unknown"]) == len(report.features):
        if not report.server.reached:
            host = clean(report.server.host)
            server = f"the echo server {host}" if host else "an echo server"
            return f"Nothing could be decided, because {server} could not be reached."
        return "Nothing could be decided."
    said = []
    partly, not_at_all = _because(report, "limited"), _because(report, "fails")
    if able["works"]:
        said.append(f"You can {_listed(able['works'], 'and')}.")
    if able["limited"]:
        # What is the reason for both is said once.
        why = "" if able["fails"] and partly == not_at_all else partly
        said.append(f"Only in part can you {_listed(able['limited'], 'and')}{why}.")
    if able["fails"]:
        said.append(f"You cannot {_listed(able['fails'], 'or')}{not_at_all}.")
    if able["unknown"]:
        said.append(f"Not decided is whether you can {_listed(able['unknown'], 'or')}.")
    if report.server.embedded:
        said.append("This is about this computer alone, not about your network.")
    return " ".join(said)


def in_words(profiles: Iterable[profile.Profile] | None = None) -> dict[tuple[str, str], str]:
    """What each feature lets a user do, by profile and feature id."""
    return {
        (each.id, feature.id): feature.can
        for each in (profile.built_in() if profiles is None else profiles)
        for feature in each.features
        if feature.can
    }


def _doing(feature: Feature, words: Mapping[tuple[str, str], str]) -> str:
    known = words.get((feature.profile, feature.feature))
    return clean(known) if known else f"use “{clean(feature.title)}”"


def _because(report: Report, verdict: Verdict) -> str:
    """The finding that most of these features have in common, the gravest first."""
    affected = [f for f in report.features if f.verdict == verdict]
    weight = {
        finding.id: sum(finding.id in feature.findings for feature in affected)
        for finding in report.findings
    }
    graver = {"error": 0, "warning": 1, "info": 2}
    in_order = sorted(report.findings, key=lambda f: (graver[f.severity], -weight[f.id]))
    told = next((f for f in in_order if weight[f.id]), None)
    return "" if told is None else f": {_inside(told)}"


def _inside(finding: Finding) -> str:
    title = clean(finding.title).rstrip(".")[:REASON_MAX]
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _listed(words: list[str], last: str) -> str:
    once = list(dict.fromkeys(words))
    *most, end = once
    return f"{', '.join(most)} {last} {end}" if most else end
