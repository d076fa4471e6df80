"""The report in a few short sentences that a person would say (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netcheck import profile
from netcheck.report import reason
from netcheck.report.model import Feature, Report, Verdict
from netcheck.report.page import clean
from netcheck.report.scope import this_computer_alone
from probes.observation import Control, StunSeen

Words = Mapping[tuple[str, str], str]

_WHOLE_CHECK = ("captive-portal", "dns-rewritten", "dns-failure", "server-unreachable")
_SPOILS_CALLS = ("high-loss", "poor-media")


def sentence(
    report: Report, words: Words | None = None, titles: Mapping[str, str] | None = None
) -> str:
    """What works and what does not, each with its reason.

    ``words`` go on after "you can", by profile and feature id, and ``titles`` name the programs, by
    profile id; without them those of the built-in profiles.
    """
    return " ".join(paragraphs(report, words, titles))


def paragraphs(
    report: Report, words: Words | None = None, titles: Mapping[str, str] | None = None
) -> list[str]:
    """The same, with each program by itself."""
    known = in_words() if words is None else words
    if not report.features:
        return ["Nothing was tested."]
    verdicts = {feature.verdict for feature in report.features}
    if verdicts == {"unknown"}:
        return [_undecided(report)]
    if this_computer_alone(report):
        return [_alone(report, known)]
    programs: dict[str, list[Feature]] = {}
    for feature in report.features:
        programs.setdefault(feature.profile, []).append(feature)
    named = _titles() if titles is None else titles
    told = _Told()
    said = []
    for name, features in programs.items():
        title = clean(named.get(name, name))[:TITLE_MAX]
        who = f"With {title} you" if len(programs) > 1 else "You"
        said.append(" ".join(_program(report, features, who, known, told)))
    if spoilt := _spoilt(report, told):
        return [*said, spoilt]
    if verdicts != {"works"}:
        return said
    return [f"Everything works. {said[0]}"] if len(said) == 1 else ["Everything works.", *said]


TITLE_MAX = 40
"""Characters of a program's name."""


def in_words(profiles: Iterable[profile.Profile] | None = None) -> dict[tuple[str, str], str]:
    """What each feature lets a user do, by profile and feature id."""
    return {
        (each.id, feature.id): feature.can
        for each in (profile.built_in() if profiles is None else profiles)
        for feature in each.features
        if feature.can
    }


def _titles() -> dict[str, str]:
    return {each.id: each.title for each in profile.built_in()}


class _Told:
    """The reason that was given last: what is right before is "the same reason", and no other."""

    def __init__(self) -> None:
        self._last = ""
        self.all: set[str] = set()

    def because(self, why: str) -> str:
        """How a sentence goes on that has this reason, or none."""
        same, self._last = bool(why) and why == self._last, why
        self.all.add(why)
        return ", for the same reason" if same else f": {why}" if why else ""


def _program(
    report: Report, features: Sequence[Feature], who: str, words: Words, told: _Told
) -> list[str]:
    """One program: what works, then what does not, the same reasons together.  ``who``: "You", or
    "With … you"."""
    said: list[str] = []
    if works := _having(features, "works"):
        said.append(f"{who} can {_listed(works, words, 'and')}.")
    for why, affected in _by_reason(report, _having(features, "limited")):
        doing = _listed(affected, words, "and")
        said.append(f"{'You' if said else who} can {doing} only in part{told.because(why)}.")
    before = len(said)
    for why, affected in _by_reason(report, _having(features, "fails")):
        lead = f"{'You' if said else who} cannot" if len(said) == before else "Nor can you"
        said.append(f"{lead} {_listed(affected, words, 'or')}{told.because(why)}.")
    before = len(said)
    for why, affected in _by_reason(report, _having(features, "unknown")):
        lead = "It is not known" if len(said) == before else "Nor is it known"
        whom = "you" if said or who == "You" else f"{who[:1].lower()}{who[1:]}"
        doing = _listed(affected, words, "or")
        said.append(f"{lead} whether {whom} can {doing}{told.because(why)}.")
    return said


def _alone(report: Report, words: Words) -> str:
    """What one computer says about itself is no promise about a network."""
    said, told = [], _Told()
    if works := _having(report.features, "works"):
        said.append(f"Nothing on this computer keeps you from these: {_titled(works)}.")
    for verdict in ("limited", "fails"):
        for why, affected in _by_reason(report, _having(report.features, verdict)):
            part = " only in part" if verdict == "limited" else ""
            can = "can" if part else "cannot"
            doing = _listed(affected, words, "and" if part else "or")
            said.append(f"On this computer you {can} {doing}{part}{told.because(why)}.")
    return " ".join(
        ["Only this computer was tested, not your network.", *said, "Check against an echo server"
         " to learn what your network lets through."]
    )  # fmt: skip


def _undecided(report: Report) -> str:
    """Nothing is known of any feature: because of the network, or because nobody looked."""
    found = [each for each in report.findings if each.cause in _WHOLE_CHECK]
    if not report.complete and not any(isinstance(o, Control) for o in report.observations):
        return "The check was ended before anything could be decided."
    if found:
        first = min(found, key=lambda each: _WHOLE_CHECK.index(each.cause))
        return f"Nothing could be decided, because {reason.of(report, first)}."
    if any(isinstance(o, StunSeen) for o in report.observations) and not report.server.reached:
        return (
            "Only how your network translates addresses was tested. What works takes a netcheck"
            " echo server to say."
        )
    if not report.complete:
        return "The check was ended before anything could be decided."
    if not report.server.reached:
        host = clean(report.server.host)
        server = f"the echo server {host}" if host else "an echo server"
        return f"Nothing could be decided, because {server} could not be reached."
    return "Nothing could be decided."


def _spoilt(report: Report, told: _Told) -> str:
    """What works, and is no joy: the verdict of a call is that it comes about."""
    hears = any(each.verdict in ("works", "limited") for each in report.features)
    for cause in _SPOILS_CALLS:
        for finding in report.findings:
            if finding.cause == cause and finding.severity != "info" and hears:
                why = reason.of(report, finding)
                return "" if why in told.all else f"But {why}."
    return ""


def _having(features: Iterable[Feature], verdict: Verdict) -> list[Feature]:
    return [each for each in features if each.verdict == verdict]


def _by_reason(report: Report, features: Sequence[Feature]) -> list[tuple[str, list[Feature]]]:
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        groups.setdefault(reason.of_feature(report, feature), []).append(feature)
    # What has no reason of its own goes last, and does not stand between those that have.
    return sorted(groups.items(), key=lambda group: not group[0])


def _titled(features: Sequence[Feature]) -> str:
    return _joined([clean(each.title) for each in features], "and")


def _listed(features: Sequence[Feature], words: Words, last: str) -> str:
    said: list[str] = []
    for doing in dict.fromkeys(_doing(each, words) for each in features):
        verb, _, rest = doing.partition(" ")
        before, _, same = (said[-1] if said else "").partition(" ")
        if " " in rest and rest == same:  # "hear and see each other"
            said[-1] = f"{before} {last} {verb} {rest}"
        else:
            said.append(doing)
    return _joined(said, last)


def _doing(feature: Feature, words: Words) -> str:
    known = words.get((feature.profile, feature.feature))
    return clean(known) if known else f"use “{clean(feature.title)}”"


def _joined(words: Sequence[str], last: str) -> str:
    *most, end = dict.fromkeys(words)
    if not most:
        return end
    comma = (
        "," if any(f" {word} " in each for each in (*most, end) for word in ("and", "or")) else ""
    )
    return f"{', '.join(most)}{comma} {last} {end}"
