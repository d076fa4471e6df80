"""The report as text, for a person who does not know what a port is.

What works comes first, then what to do about the rest, then how it was tested.  The
measurements themselves are shown only when asked for (`details`).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from netcheck import kb, profile
from netcheck.report.articles import add_articles
from netcheck.report.details import add_details
from netcheck.report.editors import add_editors
from netcheck.report.model import Feature, Finding, Report, Severity, Verdict
from netcheck.report.network import add_network
from netcheck.report.page import Page, clean
from netcheck.report.scope import this_computer_alone
from netcheck.report.stated import milliseconds
from netcheck.report.verdicts import VERDICTS
from probes.observation import Control, NameLookup, StunSeen

if TYPE_CHECKING:
    from rich.text import Text

# Before a list of titles, which may be nouns or verbs: no grammar joins the two.
_LABELS: dict[Verdict, str] = {
    "works": "works",
    "limited": "works only in part",
    "fails": "does not work",
    "unknown": "could not be decided",
}
# After a count: modal verbs, which are the same for one and for many.
_COUNTED: dict[Verdict, str] = {
    "works": "will work",
    "limited": "will work only in part",
    "fails": "will not work",
    "unknown": "could not be decided",
}

_CERTIFICATES = {
    "pinned": "the server proved itself by the fingerprint in its link",
    "authority": "the server proved itself by a certificate that this computer trusts",
    "unchecked": "NOT CHECKED: another server could have answered in its place",
}

# Features.  More names than this make a first sentence that nobody reads: counts say it better.
_MAX_NAMED = 6
_MAX_TITLE = 24


def render(
    report: Report,
    *,
    details: bool = False,
    articles: bool = False,
    width: int = 80,
    colour: bool = False,
    ascii_only: bool = False,
    file: str | None = None,
    profile_titles: Mapping[str, str] | None = None,
) -> str:
    """The report as lines of at most `width` columns (40 or more).

    `articles` adds the steps of every remedy, with this computer's values.  `file` is where
    the report is saved, if it is; `profile_titles` are the names, by id, of
    profiles that are not built in.
    """
    page = Page(width=width, colour=colour, ascii_only=ascii_only)
    page.line(summary(report), "bold")
    for warning in warnings(report):
        page.rows([(page.styled("!", "bold yellow"), warning)], widths=[1], indent=0)
    names = {each.id: each.title for each in profile.built_in()} | dict(profile_titles or {})
    _add_features(page, report, names)
    _add_remedies(page, report)
    add_network(page, report)
    add_editors(page, report.editors)
    add_circumstances(page, report)
    if articles:
        add_articles(page, report)
    if details:
        add_details(page, report)
    else:
        _add_hint(page, file, articles=articles)
    return page.text()


def summary(report: Report) -> str:
    """One sentence about everything that was tested."""
    titles: dict[Verdict, list[str]] = {verdict: [] for verdict in _LABELS}
    for feature in report.features:
        titles[feature.verdict].append(_inside_a_sentence(clean(feature.title)))
    match [verdict for verdict in titles if titles[verdict]]:
        case []:
            return "Nothing was tested."
        case ["unknown"] if not report.server.reached:
            server = clean(f"the {_kind_of_server(report)} {report.server.host}")
            return f"Nothing could be decided, because {server} could not be reached."
        case ["unknown"]:
            return "Nothing could be decided."
        case ["works"]:
            text = f"everything that was tested works: {', '.join(titles['works'])}"
        case ["fails"]:
            text = "nothing that was tested works"
        case verdicts if len(report.features) > _MAX_NAMED:
            counts = [f"{len(titles[verdict])} {_COUNTED[verdict]}" for verdict in verdicts]
            text = f"of {len(report.features)} features, {_listed(counts)}"
        case verdicts:
            text = "; ".join(f"{_LABELS[each]}: {', '.join(titles[each])}" for each in verdicts)
    if this_computer_alone(report):
        text += " – on this computer alone"
    return f"{text[:1].upper()}{text[1:]}."


def _inside_a_sentence(title: str) -> str:
    """Of the titles, *Voice calls* begins small there, *MSN directory* does not."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _listed(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def warnings(report: Report) -> list[str]:
    """What makes the verdicts mean less than they seem to."""
    said = []
    if report.server.embedded:
        said.append("This tested this computer alone, not your network: no server was named.")
    elif this_computer_alone(report):
        said.append(
            "This tested this computer alone, not your network: the echo server runs on it, too."
        )
    if not report.complete:
        said.append("The check was not finished, so some of this is missing.")
    return said


def _add_features(page: Page, report: Report, titles: Mapping[str, str]) -> None:
    profiles: dict[str, list[Feature]] = {}
    for feature in report.features:
        profiles.setdefault(feature.profile, []).append(feature)
    longest = max((len(clean(feature.title)) for feature in report.features), default=0)
    for name, features in profiles.items():
        page.heading(titles.get(name, name))
        page.rows(
            (
                (_verdict(page, feature.verdict), feature.title, feature.summary)
                for feature in features
            ),
            widths=[len("? unknown"), min(longest, _MAX_TITLE)],
        )


def _verdict(page: Page, verdict: Verdict) -> Text:
    return page.sign(VERDICTS[verdict], verdict)


def _add_remedies(page: Page, report: Report) -> None:
    """What harms comes first; what by itself does no harm stands apart."""
    order = get_args(Severity)
    findings = sorted(report.findings, key=lambda finding: order.index(finding.severity))
    harmful = [finding for finding in findings if finding.severity != "info"]
    _add_list(page, report, "What to do", harmful)
    _add_list(page, report, "Also noticed, perhaps without harm", findings[len(harmful) :])


def _add_list(page: Page, report: Report, heading: str, findings: list[Finding]) -> None:
    if not findings:
        return
    page.heading(heading)
    # Several streams, say, may suffer from the same: what to do is said once.
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        article = kb.article_for(finding.cause)
        groups.setdefault((article.id, finding.title), []).append(finding)
    for number, group in enumerate(groups.values(), 1):
        if number > 1:
            page.line()
        rows: list[tuple[str, str | Text]] = [(f"{number}.", page.styled(group[0].title, "bold"))]
        rows += [("", line) for line in _advice(report, group)]
        page.rows(rows, widths=[len(f"{len(groups)}.")])


def _advice(report: Report, findings: list[Finding]) -> list[str]:
    """Of findings that one article answers."""
    # Found by their cause, not by the id in the file: that may have been renamed since, and a
    # file from anywhere must not choose what the user is told to type.
    article = kb.article_for(findings[0].cause)
    known = {finding.id for finding in findings}
    affected = [each.title for each in report.features if known.intersection(each.findings)]
    remedies = [kb.remedy(article, kb.values_of(report, finding)) for finding in findings]
    return [
        *([f"Affects: {', '.join(affected)}"] if affected else []),
        *fullest(remedies),
        f"Step by step: netcheck kb show {article.id}",
    ]


def fullest(texts: list[str]) -> list[str]:
    """Each once, without those that another one says word for word and goes on."""
    each = list(dict.fromkeys(texts))
    return [
        text
        for text in each
        if not any(other != text and other.startswith(text.rstrip(".")) for other in each)
    ]


def add_circumstances(page: Page, report: Report) -> None:
    """Append with what, when and where it was tested."""
    page.heading("How it was tested")
    server = report.server
    rows = []
    kind = _kind_of_server(report)
    label = kind[:1].upper() + kind[1:]
    if server.embedded:
        rows.append((label, "this computer itself; name another one with --server HOST"))
    elif server.reached:
        others = [address for address in server.addresses if address != server.host]
        addresses = f" ({', '.join(others)})" if others else ""
        rows.append((label, f"{server.host}{addresses}"))
    else:
        rows.append((label, f"{server.host}, not reached{_why_not_reached(report)}"))
    if server.rtt_ms is not None:
        rows.append(("Round trip", f"{milliseconds(server.rtt_ms)} to the server and back"))
    if server.certificate in _CERTIFICATES:
        rows.append(("Certificate", _CERTIFICATES[server.certificate]))
    if server.via_proxy:
        rows.append(("Proxy", f"{server.via_proxy}; the ports themselves were tried without it"))
    rows.append(("When", f"{_moment(report.started_at)}, took {_duration(report.duration_s)}"))
    rows.append(("Computer", f"{report.host.name} ({report.host.system})"))
    rows.append(("Made by", f"{report.tool.name} {report.tool.version}, report {report.id}"))
    if not report.complete:
        rows.append(("Not finished", "the check was stopped before its end"))
    if report.note:
        rows.append(("Note", report.note))
    page.rows(rows, widths=[max(len(label) for label, _ in rows)])


def _kind_of_server(report: Report) -> str:
    """What it was tested with, as the observations tell."""
    kinds = {type(observation) for observation in report.observations}
    # Where the STUN server's name was not found, there is nothing but the question for it.
    with_stun = kinds & {StunSeen, NameLookup} and Control not in kinds
    return "STUN server" if with_stun else "echo server"


def _why_not_reached(report: Report) -> str:
    """The reason that the finding holds: a wrong certificate is not a server that is down."""
    for finding in report.findings:
        if finding.cause == "server-unreachable" and finding.parameters.get("detail"):
            return f": {finding.parameters['detail']}"
    return ""


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return text


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _add_hint(page: Page, file: str | None, *, articles: bool) -> None:
    if file is not None and clean(file) == file:
        page.heading("Every step and every measurement")
        commands = []
    else:
        file = "report.json"
        page.heading("Every step and every measurement, once the report is saved")
        commands = [f"netcheck check --format json --output {file}"]
    show = f"netcheck report show {shlex.quote(file)}"
    commands += ([] if articles else [f"{show} --articles"]) + [f"{show} --details"]
    page.rows(((command,) for command in commands), widths=[])
