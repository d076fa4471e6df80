"""The sentence that a person would say."""

from __future__ import annotations

import msgspec
import pytest

from netcheck.report.answer import sentence
from netcheck.report.model import Feature, Finding, Report, Verdict
from tests.netcheck.report.samples import all_samples

TITLES = {"chat": "chat", "files": "send files", "voice": "talk"}
WORDS = {("app", name): words for name, words in TITLES.items()}


def report(**verdicts: Verdict) -> Report:
    """One finding for all that does not work as it should."""
    whole = all_samples()["all_good"]
    bad = ("fails", "limited")
    features = [
        Feature(
            profile="app", feature=name, title=name, verdict=verdict, summary="",
            findings=["1"] if verdict in bad else [],
        )
        for name, verdict in verdicts.items()
    ]  # fmt: skip
    finding = Finding(
        id="1", cause="inbound-tcp-blocked", severity="error", article="inbound-tcp-blocked",
        title="Nobody outside can connect", evidence=[],
    )  # fmt: skip
    server = msgspec.structs.replace(whole.server, embedded=False, reached=True)
    return msgspec.structs.replace(whole, server=server, features=features, findings=[finding])


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({}, "Nothing was tested."),
        ({"chat": "works", "files": "works"}, "You can chat and send files."),
        (
            {"chat": "works", "files": "fails", "voice": "fails"},
            "You can chat. You cannot send files or talk: nobody outside can connect.",
        ),
        (
            {"files": "fails", "voice": "limited"},
            "Only in part can you talk. You cannot send files: nobody outside can connect.",
        ),
        ({"voice": "limited"}, "Only in part can you talk: nobody outside can connect."),
        (
            {"chat": "works", "voice": "unknown"},
            "You can chat. Not decided is whether you can talk.",
        ),
        ({"voice": "unknown"}, "Nothing could be decided."),
    ],
)
def test_what_is_said(verdicts: dict[str, Verdict], said: str) -> None:
    assert sentence(report(**verdicts), WORDS) == said


def test_a_server_that_was_not_reached_is_said_to_be_the_reason() -> None:
    unknown = report(chat="unknown")
    server = msgspec.structs.replace(unknown.server, reached=False, host="echo.example.org")
    told = sentence(msgspec.structs.replace(unknown, server=server), WORDS)
    assert told == (
        "Nothing could be decided, because the echo server echo.example.org could not be reached."
    )


def test_a_feature_without_words_of_its_own_is_named() -> None:
    assert sentence(report(chat="works"), {}) == "You can use “chat”."


@pytest.mark.parametrize("name", sorted(all_samples()))
def test_every_report_has_a_sentence(name: str) -> None:
    told = sentence(all_samples()[name])
    assert told.endswith(".")
    assert told.isprintable()
