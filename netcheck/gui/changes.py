"""Before and after in a few words: what a check found otherwise than the one before it."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QLocale, QTime

from netcheck.gui.models.table import one_line
from netcheck.gui.words import said, translate
from netcheck.report.compare import FeatureChange, compare
from netcheck.report.model import Feature, Report

_TITLE_MAX = 60


def in_words(before: Report, after: Report) -> str:
    """What changed, feature by feature, then how many ports."""
    found = compare(before, after)
    told = [_feature(change) for change in found.features]
    for trend, words in (
        ("better", translate("Changes", "ports better: %1")),
        ("worse", translate("Changes", "ports worse: %1")),
    ):
        if count := sum(change.trend == trend for change in found.ports):
            told.append(words.replace("%1", str(count)))
    if not told:
        told = [translate("Changes", "nothing changed")]
    since = translate("Changes", "Since %1:").replace("%1", _clock(before.started_at))
    return " ".join([since, "; ".join(told) + ".", *map(one_line, found.cautions)])


def _feature(change: FeatureChange) -> str:
    known = change.new or change.old
    assert known is not None
    title = one_line(known.title, _TITLE_MAX)
    return f"{title}: {_verdict(change.old)} → {_verdict(change.new)}"


def _verdict(feature: Feature | None) -> str:
    if feature is None:
        return translate("Changes", "not tested")
    if feature.capacity is None:
        return said(feature.verdict)
    return f"{said(feature.verdict)} ({feature.capacity})"


def _clock(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except ValueError:
        return one_line(text, 30)
    return QLocale().toString(QTime(moment.hour, moment.minute), QLocale.FormatType.ShortFormat)
