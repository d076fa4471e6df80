"""Two reports side by side: what got better, what got worse, what is no longer the same.

Better and worse are said only between verdicts that are known.  A change from or to
*unknown* is a change: it may be the test that differs, not the network.
"""

from __future__ import annotations

import msgspec

from netcheck.protocols import in_words
from netcheck.report import placeholders
from netcheck.report.compare_network import NetworkChange, Trend, network_changes
from netcheck.report.details import kind, other_end
from netcheck.report.model import Feature, Finding, Port, PortState, Report, Verdict
from netcheck.report.page import Page
from netcheck.report.stated import ranges

_RANKS: dict[Verdict, int] = {"fails": 0, "limited": 1, "works": 2}
FAILURES: frozenset[PortState] = frozenset({"refused", "blocked", "intercepted", "altered", "busy"})
"""States that are worse than open; to or from any other it is a change and no more."""


class FeatureChange(msgspec.Struct, frozen=True, kw_only=True):
    """``old`` or ``new`` is None if that report does not have the feature."""

    trend: Trend
    old: Feature | None
    new: Feature | None


class PortChange(msgspec.Struct, frozen=True, kw_only=True):
    """``old`` or ``new`` is None if that report does not have the port."""

    trend: Trend
    old: Port | None
    new: Port | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """``cautions`` are reasons why the two reports may not be comparable, as sentences."""

    old: str
    new: str
    features: list[FeatureChange]
    ports: list[PortChange]
    network: list[NetworkChange]
    findings_gone: list[Finding]
    findings_new: list[Finding]
    cautions: list[str]

    @property
    def worse(self) -> bool:
        """Whether any feature, any port or the network's behaviour got worse."""
        trends = [each.trend for each in self.features] + [each.trend for each in self.ports]
        return "worse" in [*trends, *(each.trend for each in self.network)]


def compare(old: Report, new: Report) -> Comparison:
    """What differs between two reports of what should be the same network."""
    return Comparison(
        old=old.started_at,
        new=new.started_at,
        features=_feature_changes(old.features, new.features),
        ports=_port_changes(old.ports, new.ports),
        network=network_changes(old, new),
        findings_gone=_without(old.findings, new.findings),
        findings_new=_without(new.findings, old.findings),
        cautions=_cautions(old, new),
    )


def _feature_changes(old: list[Feature], new: list[Feature]) -> list[FeatureChange]:
    before = {(each.profile, each.feature): each for each in old}
    after = {(each.profile, each.feature): each for each in new}
    changes = []
    for key in before | after:  # the old order, then what is new
        was, now = before.get(key), after.get(key)
        if trend := _feature_trend(was, now):
            changes.append(FeatureChange(trend=trend, old=was, new=now))
    return changes


def _feature_trend(was: Feature | None, now: Feature | None) -> Trend | None:
    if was is None or now is None:
        return "changed"
    if was.verdict == now.verdict:
        if was.capacity is None or now.capacity is None or was.capacity == now.capacity:
            return None
        return "better" if now.capacity > was.capacity else "worse"
    if was.verdict not in _RANKS or now.verdict not in _RANKS:
        return "changed"
    return "better" if _RANKS[now.verdict] > _RANKS[was.verdict] else "worse"


def _port_changes(old: list[Port], new: list[Port]) -> list[PortChange]:
    before = {_place(each): each for each in old}
    after = {_place(each): each for each in new}
    changes = []
    for place in before | after:
        was, now = before.get(place), after.get(place)
        if trend := _port_trend(was, now):
            changes.append(PortChange(trend=trend, old=was, new=now))
    return changes


def _place(port: Port) -> tuple[object, ...]:
    return (port.transport, port.direction, port.port, port.local_port, port.remote_port)


def _port_trend(was: Port | None, now: Port | None) -> Trend | None:
    if was is None or now is None:
        return "changed"
    if was.state == now.state:
        return None
    if was.state == "open" and now.state in FAILURES:
        return "worse"
    if was.state in FAILURES and now.state == "open":
        return "better"
    return "changed"


def _without(findings: list[Finding], others: list[Finding]) -> list[Finding]:
    """The findings that `others` lack.  Ids count anew in every report, and the ports of a
    finding are compared as ports, so a finding is known by its cause and where it applies."""
    known = {_nature(each) for each in others}
    return [each for each in findings if _nature(each) not in known]


def _nature(finding: Finding) -> tuple[str, ...]:
    where = ("transport", "local_port", "remote_port", "protocol")
    return (finding.cause, *(str(finding.parameters.get(name)) for name in where))


def _named(finding: Finding) -> str:
    """What several may be called, and which one it is."""
    protocols = finding.parameters.get("protocols")
    if not isinstance(protocols, list):
        return finding.title
    return f"{finding.title} ({', '.join(in_words(str(each)) for each in protocols)})"


def _cautions(old: Report, new: Report) -> list[str]:
    cautions = []
    redacted = [name for name, report in (("old", old), ("new", new)) if _is_redacted(report)]
    if old.server.embedded != new.server.embedded:
        cautions.append("One of the reports tested its computer alone, the other a network.")
    elif not (new.server.embedded or redacted) and old.server.host != new.server.host:
        cautions.append(
            f"The echo servers differ: {old.server.host or '?'}, then {new.server.host or '?'}."
        )
    if not redacted and old.host.name != new.host.name:
        cautions.append(f"The computers differ: {old.host.name}, then {new.host.name}.")
    for name, report in (("old", old), ("new", new)):
        if name in redacted:
            cautions.append(
                f"The {name} report has placeholders for names and addresses, which were not"
                " compared."
            )
        if not report.complete:
            cautions.append(f"The {name} report is of a check that was not finished.")
    return cautions


def _is_redacted(report: Report) -> bool:
    """By its addresses: a computer may well be called computer-1."""
    host, seen = report.host, (*report.nat.public_addresses, *report.server.addresses)
    return any(map(placeholders.in_text, (*host.addresses, *host.gateways, *seen)))


def as_text(
    comparison: Comparison, *, width: int = 80, colour: bool = False, ascii_only: bool = False
) -> str:
    """The comparison as lines of at most `width` columns, what got worse first."""
    page = Page(width=width, colour=colour, ascii_only=ascii_only)
    page.line(summary(comparison), "bold")
    for caution in comparison.cautions:
        page.rows([(page.styled("!", "bold yellow"), caution)], widths=[1], indent=0)
    headings: dict[Trend, tuple[str, str]] = {
        "worse": ("Worse", "bold red"),
        "better": ("Better", "green"),
        "changed": ("Changed", "magenta"),
    }
    for trend, (heading, style) in headings.items():
        rows = [
            *_feature_rows([each for each in comparison.features if each.trend == trend]),
            *_port_rows([each for each in comparison.ports if each.trend == trend]),
            *(
                (f"{each.what[:1].upper()}{each.what[1:]}", f"{each.old} → {each.new}")
                for each in comparison.network
                if each.trend == trend
            ),
        ]
        if rows:
            page.heading(heading)
            page.rows([(page.styled(what, style), how) for what, how in rows], widths=[34])
    for heading, findings in (
        ("No longer found", comparison.findings_gone),
        ("Newly found", comparison.findings_new),
    ):
        if findings:
            page.heading(heading)
            page.rows([("-", _named(each)) for each in findings], widths=[1])
    return page.text()


def summary(comparison: Comparison) -> str:
    counts = [
        (sum(each.trend == trend for each in comparison.features), name)
        for trend, name in (("worse", "worse"), ("better", "better"), ("changed", "different"))
    ]
    said = [f"{count} {name}" for count, name in counts if count]
    if said:
        total = sum(count for count, _ in counts)
        return f"{'Feature' if total == 1 else 'Features'}: {', '.join(said)}."
    behind = (comparison.ports, comparison.network, comparison.findings_gone)
    if any(behind) or comparison.findings_new:
        return "Every feature fares the same; what lies behind it changed."
    return "Nothing changed."


def _feature_rows(changes: list[FeatureChange]) -> list[tuple[str, str]]:
    return [
        (f"{each.title} ({each.profile})", f"{_verdict(change.old)} → {_verdict(change.new)}")
        for change in changes
        if (each := change.new or change.old)
    ]


def _verdict(feature: Feature | None) -> str:
    if feature is None:
        return "not tested"
    if feature.capacity is None:
        return feature.verdict
    return f"{feature.verdict}, {feature.capacity} at once"


def _port_rows(changes: list[PortChange]) -> list[tuple[str, str]]:
    """One row for the ports of one kind that changed in the same way."""
    rows: dict[tuple[str, str, str], list[int]] = {}
    for change in changes:
        if each := change.new or change.old:
            how = " → ".join(
                port.state if port else "not tested" for port in (change.old, change.new)
            )
            rows.setdefault((kind(each), other_end(each), how), []).append(each.port)
    return [(f"{way} {ranges(ports)}{other}", how) for (way, other, how), ports in rows.items()]
