"""The sentence that a person would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec
import pytest

from netcheck import kb
from netcheck.cause import Cause
from netcheck.report import reason
from netcheck.report.answer import paragraphs, sentence
from netcheck.report.model import Feature, Finding, Nat, Report, Verdict
from probes.observation import Control, ControlAttempt
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
    return msgspec.structs.replace(
        whole, server=server, features=features, findings=[finding], nat=Nat(present=True, layers=1)
    )


BLOCKED = "connections from outside do not get through your router to this computer"


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({}, "Nothing was tested."),
        ({"chat": "works", "files": "works"}, "Everything works. You can chat and send files."),
        (
            {"chat": "works", "files": "fails", "voice": "fails"},
            f"You can chat. You cannot send files or talk: {BLOCKED}.",
        ),
        (
            {"files": "fails", "voice": "limited"},
            f"You can talk only in part: {BLOCKED}. You cannot send files, for the same reason.",
        ),
        ({"voice": "limited"}, f"You can talk only in part: {BLOCKED}."),
        (
            {"chat": "works", "voice": "unknown"},
            "You can chat. It is not known whether you can talk.",
        ),
        ({"voice": "unknown"}, "Nothing could be decided."),
    ],
)
def test_what_is_said(verdicts: dict[str, Verdict], said: str) -> None:
    assert sentence(report(**verdicts), WORDS) == said


def with_findings(
    reasons: Mapping[str, Sequence[Finding]], nat: Nat, **verdicts: Verdict
) -> Report:
    """Features and which findings each has."""
    made = report(**verdicts)
    features = [
        msgspec.structs.replace(f, findings=[each.id for each in reasons.get(f.feature, ())])
        for f in made.features
    ]
    every = {each.id: each for found in reasons.values() for each in found}
    return msgspec.structs.replace(made, features=features, findings=list(every.values()), nat=nat)


def found(cause: Cause, id: str = "", **parameters: Any) -> Finding:
    return Finding(
        id=id or cause, cause=cause, severity="error", article=cause, title="As Its Title Says",
        evidence=[], parameters=parameters,
    )  # fmt: skip


HOME = Nat(present=True, layers=1)
TWO = Nat(present=True)  # nobody knows how many
SHARED = Nat(present=True, carrier_grade=True)
NONE = Nat(present=False)
DOUBLE = Nat(present=True, public_addresses=["198.51.100.7"])
MSN: dict[str, Any] = {"protocols": ["msn"]}


@pytest.mark.parametrize(
    ("nat", "finding", "said"),
    [
        (HOME, found("embedded-address-untouched", **MSN),
         "your router does not rewrite the address inside MSN Messenger's invitations"),
        (SHARED, found("embedded-address-untouched", **MSN),
         "neither your router nor your provider rewrites the address inside MSN Messenger's"
         " invitations"),
        (HOME, found("embedded-address-untouched", protocols=["h323"]),
         "your router does not rewrite the address inside the messages of calls"),
        (HOME, found("embedded-address-untouched", protocols=["ldap"]),
         "the directory gives others an address that only works in your own network"),
        (TWO, found("embedded-address-untouched", **MSN),
         "no router on the way rewrites the address inside MSN Messenger's invitations"),
        (TWO, found("embedded-address-mangled", **MSN),
         "something on the way damages MSN Messenger's invitations"),
        (TWO, found("inbound-tcp-blocked"), "connections from outside do not reach this computer"),
        (HOME, found("embedded-address-mangled", **MSN),
         "your router damages MSN Messenger's invitations"),
        (SHARED, found("embedded-address-mangled", **MSN),
         "something on the way damages MSN Messenger's invitations"),
        (NONE, found("embedded-address-mangled", **MSN),
         "something on the way damages MSN Messenger's invitations"),
        (DOUBLE, found("editor-pinhole-closed", received="198.51.100.7:6891", **MSN),
         "something on the way writes an address into MSN Messenger's invitations where it lets"
         " nobody in"),
        (DOUBLE, found("editor-pinhole-closed", received="10.64.0.2:6891", **MSN),
         "MSN Messenger's invitations name an address that is not your public one"),
        (DOUBLE, found("editor-pinhole-closed", received="10.64.0.2:1720", protocols=["ldap"]),
         "your entry in the directory names an address that is not your public one"),
        (HOME, found("inbound-tcp-blocked"), BLOCKED),
        (NONE, found("inbound-tcp-blocked"),
         "a firewall keeps connections from outside away from this computer"),
        (Nat(), found("inbound-tcp-blocked"),
         "connections from outside do not reach this computer"),
        (HOME, found("outbound-tcp-blocked"),
         "something on the way blocks the connections that this needs"),
        (HOME, found("outbound-tcp-blocked", device="router"),
         "your router blocks the connections that this needs"),
        (HOME, found("outbound-udp-blocked", device="computer"),
         "a firewall on this computer blocks the sound or picture that this sends"),
        (HOME, found("outbound-tcp-blocked", device="carrier"),
         "your Internet provider blocks the connections that this needs"),
        (HOME, found("outbound-tcp-blocked", device="beyond"),
         "something beyond your Internet provider blocks the connections that this needs"),
        (HOME, found("outbound-tcp-blocked", device="\u202e<b>evil"),
         "something on the way blocks the connections that this needs"),
        (HOME, found("one-way-media", kind="audio", direction="outbound"),
         "you hear the others, but they do not hear you"),
        (HOME, found("one-way-media", kind="video", direction="inbound"),
         "the others see you, but you do not see them"),
        (HOME, found("fragments-dropped"), "as Its Title Says"),
    ],
)  # fmt: skip
def test_the_reason_names_the_device_where_it_is_known(
    nat: Nat, finding: Finding, said: str
) -> None:
    made = with_findings({"files": [finding]}, nat, chat="works", files="fails")
    assert sentence(made, WORDS) == f"You can chat. You cannot send files: {said}."


def test_what_stops_the_program_itself_comes_before_what_stops_others() -> None:
    both = [found("inbound-tcp-blocked"), found("embedded-address-mangled", **MSN)]
    made = with_findings({"files": both}, HOME, files="fails")
    assert sentence(made, WORDS) == (
        "You cannot send files: your router damages MSN Messenger's invitations."
    )


def test_behind_a_carrier_it_is_the_carrier_who_keeps_others_out() -> None:
    made = with_findings({"voice": [found("inbound-tcp-blocked")]}, SHARED, voice="fails")
    shared = found("carrier-grade-nat")
    told = sentence(msgspec.structs.replace(made, findings=[*made.findings, shared]), WORDS)
    assert told.endswith(
        "your Internet provider shares one public address among many customers, so nobody outside"
        " can reach you."
    )


@pytest.mark.parametrize(
    ("received", "cause"),
    [("100.64.0.2:6891", "carrier-grade-nat"), ("198.51.100.7:6891", "editor-pinhole-closed")],
)
def test_an_editor_that_is_right_about_its_own_router_is_not_to_blame_for_the_carrier(
    received: str, cause: Cause
) -> None:
    closed = found("editor-pinhole-closed", received=received, **MSN)
    nat = Nat(present=True, carrier_grade=True, public_addresses=["198.51.100.7"])
    made = with_findings({"files": [closed]}, nat, files="fails")
    made = msgspec.structs.replace(made, findings=[closed, found("carrier-grade-nat")])
    told = reason.telling(made, made.features[0])
    assert told is not None
    assert told.cause == cause


def test_a_summary_of_two_parts_gives_the_first_as_the_reason() -> None:
    made = report(files="limited")
    said = "Only 1 of 10 at the same time: the invitation names 192.168.1.7:6892."
    feature = msgspec.structs.replace(made.features[0], findings=[], summary=said)
    told = sentence(msgspec.structs.replace(made, features=[feature]), WORDS)
    assert told == "You can send files only in part: only 1 of 10 at the same time."


def test_what_is_done_to_the_same_is_named_once() -> None:
    words = {("app", "chat"): "hear each other", ("app", "voice"): "see each other",
             ("app", "files"): "be called"}  # fmt: skip
    assert sentence(report(chat="works", voice="works", files="works"), words) == (
        "Everything works. You can hear and see each other, and be called."
    )
    made = report(files="works", chat="fails", voice="fails")
    assert "You cannot hear or see each other: " in sentence(made, words)


def test_the_same_reason_is_said_once_and_only_right_after_itself() -> None:
    first, second = found("outbound-tcp-blocked"), found("payload-altered")
    made = with_findings(
        {"chat": [first], "files": [second], "voice": [first]},
        HOME, chat="limited", files="fails", voice="fails",
    )  # fmt: skip
    told = sentence(made, WORDS)
    assert told == (
        "You can chat only in part: something on the way blocks the connections that this needs."
        " You cannot send files: something on the way changes what is sent."
        " Nor can you talk: something on the way blocks the connections that this needs."
    )


def test_programs_are_told_apart() -> None:
    made = report(chat="works", voice="works")
    features = [made.features[0], msgspec.structs.replace(made.features[1], profile="other")]
    told = paragraphs(msgspec.structs.replace(made, features=features), WORDS, {"app": "Chatter"})
    assert told == [
        "Everything works.", "With Chatter you can chat.", "With other you can use “voice”.",
    ]  # fmt: skip


def test_what_works_and_is_no_joy_is_said() -> None:
    made = report(voice="works")
    bad = msgspec.structs.replace(found("poor-media"), severity="warning")
    told = sentence(msgspec.structs.replace(made, findings=[bad]), WORDS)
    assert told == "You can talk. But sound or picture are too bad for a good conversation."


def test_this_computer_alone_is_no_promise_about_a_network() -> None:
    made = report(chat="works", files="limited", voice="unknown")
    told = sentence(
        msgspec.structs.replace(
            made,
            server=msgspec.structs.replace(made.server, embedded=True),
            findings=[msgspec.structs.replace(made.findings[0], cause="local-port-in-use")],
        ),
        WORDS,
    )
    assert told.startswith("Only this computer was tested, not your network.")
    assert "You can" not in told
    assert "Nothing on this computer keeps you from these: chat." in told
    assert "you can send files only in part: another program on this computer uses" in told
    assert "talk" not in told


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("server-unreachable", "the echo server echo.example.org could not be reached"),
        ("captive-portal", "this network wants you to sign in first"),
        ("dns-failure", "the name echo.example.org could not be looked up"),
        ("dns-rewritten", "the network gives a false address for the name echo.example.org"),
    ],
)
def test_what_kept_the_whole_check_from_being_made(cause: Cause, said: str) -> None:
    unknown = report(chat="unknown")
    server = msgspec.structs.replace(unknown.server, reached=False, host="echo.example.org")
    whole = [found("server-unreachable"), found(cause, "it")]
    made = msgspec.structs.replace(unknown, server=server, findings=whole)
    assert sentence(made, WORDS) == f"Nothing could be decided, because {said}."


def test_a_server_with_another_certificate_was_reached_and_not_trusted() -> None:
    unknown = report(chat="unknown")
    server = msgspec.structs.replace(unknown.server, reached=False, host="echo.example.org")
    tried = ControlAttempt(port=8463, outcome="wrong-certificate")
    seen = Control(
        id="control", at_s=0, took_s=1, host="echo.example.org", attempts=(tried,), connected=False
    )
    made = msgspec.structs.replace(
        unknown, server=server, findings=[found("server-unreachable")], observations=[seen]
    )
    assert "echo.example.org could not prove who it is" in sentence(made, WORDS)


def test_a_server_that_was_lost_had_been_reached() -> None:
    lost = [found("server-unreachable")]
    made = report(chat="works", talk="unknown")
    features = [msgspec.structs.replace(f, findings=[lost[0].id]) for f in made.features]
    told = sentence(msgspec.structs.replace(made, features=features, findings=lost), WORDS)
    assert "was lost during the check" in told
    assert "could not be reached" not in told


def test_a_server_that_was_lost_at_once_is_why_nothing_is_known() -> None:
    made = msgspec.structs.replace(report(chat="unknown"), findings=[found("server-unreachable")])
    said = sentence(made, WORDS)
    assert said.startswith("Nothing could be decided, because the connection to the echo server")
    assert said.endswith(" was lost during the check.")


def test_a_check_that_was_ended_blames_nobody() -> None:
    unknown = report(chat="unknown")
    server = msgspec.structs.replace(unknown.server, reached=False)
    made = msgspec.structs.replace(
        unknown, complete=False, server=server, findings=[], observations=[]
    )
    assert sentence(made, WORDS) == "The check was ended before anything could be decided."


def test_a_server_that_was_not_reached_is_said_to_be_the_reason() -> None:
    unknown = report(chat="unknown")
    server = msgspec.structs.replace(unknown.server, reached=False, host="echo.example.org")
    told = sentence(msgspec.structs.replace(unknown, server=server), WORDS)
    assert told == (
        "Nothing could be decided, because the echo server echo.example.org could not be reached."
    )


def test_a_feature_without_words_of_its_own_is_named() -> None:
    assert sentence(report(chat="works"), {}) == "Everything works. You can use “chat”."


@pytest.mark.parametrize("name", sorted(all_samples()))
def test_every_report_has_a_sentence(name: str) -> None:
    told = sentence(all_samples()[name])
    assert told.endswith(".")
    assert told.isprintable()


JARGON = ("TCP", "UDP", "port ", "NAT", "RTP", "H.323", "DNS", "embedded", "inbound", "outbound")


@pytest.mark.parametrize("cause", get_args(Cause))
def test_no_reason_needs_to_be_explained(cause: Cause) -> None:
    finding = msgspec.structs.replace(found(cause), title=kb.article_for(cause).title)
    for nat in (HOME, TWO, SHARED, NONE, Nat()):
        said = reason.of(msgspec.structs.replace(report(chat="works"), nat=nat), finding)
        assert said
        assert said[:1].islower()
        assert not said.endswith(".")
        assert [word for word in JARGON if word in said] == []
