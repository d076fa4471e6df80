"""The knowledge base: every cause is answered, every branch of an article is sound."""

import itertools
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from netcheck import kb
from netcheck.cause import CAUSES
from netcheck.cli.kb import kb_group
from tests.knowledge import (
    FILES,
    FULL,
    INWARDS,
    MADE,
    article,
    each_article,
    variants,
)

HEADINGS = ["Symptoms", "Cause", "What to do", "More information", "Applies to"]

# ---- the shelf ----


def test_every_cause_has_exactly_one_article() -> None:
    assert sorted(cause for a in kb.articles() for cause in a.causes) == sorted(CAUSES)
    assert all(cause in kb.article_for(cause).causes for cause in CAUSES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("front_matter", "fault"),
    [("causes = ['no-such-cause']", "causes"), ("facts = ['M9']", "facts"), ("tite = ''", "tite")],
)
def test_a_faulty_front_matter_is_refused(front_matter: str, fault: str) -> None:
    good = {"title": "''", "causes": "[]", "facts": "[]", "keywords": "[]", "remedy": "''"}
    good.pop(front_matter.split()[0], None)
    lines = [front_matter, *(f"{key} = {value}" for key, value in good.items())]
    with pytest.raises(ValueError, match=fault):
        kb._parse("x", "+++\n" + "\n".join(lines) + "\n+++\n")


def test_find_takes_an_id_or_a_cause_and_near_suggests() -> None:
    assert article("captive-portal").causes == ("captive-portal",)
    assert kb.find("no-such-article") is None
    assert kb.near("inbound-tcp-bloked")[0] == "inbound-tcp-blocked"
    assert kb.near("DNS-failur")[0] == "dns-failure"
    assert kb.near("dns") == ("dns-failure", "dns-rewritten")
    assert len(kb.near("-")) == kb.MOST_SUGGESTIONS
    assert kb.near("xyzzy") == ()


@each_article
def test_headings_are_in_order(article: kb.Article) -> None:
    tokens = MarkdownIt().parse(kb.render(article))
    headings = [
        tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"
    ]
    assert headings == HEADINGS
    assert all(kb.section(kb.render(article), heading).strip() for heading in HEADINGS)


def test_section_of_no_such_heading() -> None:
    with pytest.raises(KeyError):
        kb.section("## Cause\n\nRain.\n", "Symptoms")


@each_article
def test_titles_and_remedies_are_plain_sentences(article: kb.Article) -> None:
    assert not re.search(r"\b(TCP|UDP|NAT|ports?|DNS|ICMP)\b", article.title)
    for values in ({}, FULL):
        sentence = kb.remedy(article, values)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert not re.search(r"[*`{}<>]|  |\b(\w+ \w+) \1\b", sentence)


# What an article that explains the fact cannot do without.
EXPLAINED = {
    "M1": ["1863", "messag"],
    "M2": ["6891–6900", "(both|inwards)"],
    "M3": ["6891", "(ten transfers|simultaneous transfer)", "(one at a time|one after the other)"],
    "M4": ["6901", "source", "destination", "TCP"],
    "M5": ["invitation", "private address|names .*address", "voice"],
    "M6": ["Winsock", "SOCKS5", "VPN"],
    "M7": ["headers", "NAT editor"],
    "M8": ["FTP, ICMP and PPTP", "SNMP, LDAP, IPsec, COM, RPC and H.323"],
    "N1": ["389", "522", "Internet Locator", "User Location", "one"],
    "N2": ["1503", "T.120", "whiteboard"],
    "N3": ["1720", "H.245", "dynamic"],
    "N4": ["1731", "audio call control"],
    "N5": ["RTP", "1024", "65535", "two ports on each side"],
    "N6": ["389", "522", "1503", "1720", "1731", "1024–65535"],
    "N7": ["without audio"],
    "N8": ["outside", "inside", "cannot be established"],
}


@pytest.mark.parametrize("fact", EXPLAINED)
def test_every_fact_is_explained(fact: str) -> None:
    texts = [
        " ".join(kb.section(kb.render(a), "More information").split())
        for a in kb.articles()
        if fact in a.facts
    ]
    assert any(all(re.search(term, text) for term in EXPLAINED[fact]) for text in texts)


def test_messengers_own_proxy_box_stays_off() -> None:
    assert "Leave Messenger's own box off" in kb.render(article("proxy-required"))


@each_article
def test_a_nat_editor_is_introduced_by_both_its_names(article: kb.Article) -> None:
    text = " ".join(kb.render(article).split())
    introductions = text.count("NAT editor (today usually called ALG, application-level gateway)")
    first = text.find("NAT editor")
    assert introductions == (first >= 0)
    assert first < 0 or text.startswith("NAT editor (today", first)


# ---- rendering ----


@each_article
def test_every_branch_renders_and_its_steps_count_up(article: kb.Article) -> None:
    for values in variants():
        steps = kb.section(kb.render(article, values), "What to do")
        numbers = [int(number) for number in re.findall(r"^(\d+)\. \*\*", steps, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1)), values
        assert steps.startswith("1. **")
        last = steps.partition("\n**Then check again.**")[2]
        assert last.count("```") == 2
        assert re.search(r"\S\.\n\n```sh\nnetcheck check --server .+\n```\n$", last)


@each_article
def test_every_single_value_may_be_missing_or_stand_alone(article: kb.Article) -> None:
    kb.render(article, FULL)
    for name, value in FULL.items():
        kb.render(article, {k: v for k, v in FULL.items() if k != name})
        kb.render(article, {name: value})
        kb.remedy(article, {name: value})


@each_article
def test_templates_use_known_variables_only(article: kb.Article) -> None:
    # The branches that the tests above do not take are covered as well.
    from jinja2 import meta

    environment = kb._environment(str)
    parts = meta.find_referenced_templates(environment.parse(article.body))
    for template in (article.body, article.remedy, *(kb._part(part or "") for part in parts)):
        names = meta.find_undeclared_variables(environment.parse(template))
        # What an article sets for a part of it.
        assert names - {"protocol", "loop"} <= set(FULL) | MADE
        assert "ports" not in names or article.ports


def test_without_values_neutral_words_stand_in() -> None:
    text = kb.render(article("inbound-tcp-blocked"))
    assert "the address of this computer" in text
    assert "netcheck check --server <test server>" in text
    assert f"External ports: {INWARDS}" in text


def test_values_are_filled_in() -> None:
    text = kb.render(article("inbound-tcp-blocked"), FULL)
    assert "http://192.168.1.1" in text
    assert "To the internal address: 192.168.1.7" in text
    assert "on to 192.168.1.7 | Receive files, Receive calls |" in text
    assert "netcheck check --server probe.example.net" in text
    assert "<" not in text


def test_without_translation_nothing_is_led_on() -> None:
    own = {**FULL, "called_address": "192.168.1.7", "nat_present": False}
    for name in ("inbound-tcp-blocked", "inbound-udp-blocked", "inbound-tcp-refused"):
        assert ", on to" in kb.render(article(name), FULL)
        assert ", on to" not in kb.render(article(name), own)


def test_the_most_likely_remedy_depends_on_the_network() -> None:
    wanted = {
        "Forward": {},
        "Ask your Internet provider": {"carrier_grade": True},
        "Allow": {"nat_present": False},
    }
    for name, (start, values) in itertools.product(
        ("inbound-tcp-blocked", "inbound-udp-blocked"), wanted.items()
    ):
        assert kb.remedy(article(name), values).startswith(start)
    text = kb.section(kb.render(article("inbound-tcp-blocked"), {"nat_present": False}), "Cause")
    assert "no address translation" in text


@pytest.mark.parametrize(
    ("device", "sentence", "remedy", "step"),
    [
        ("computer", "Not even the first device", "Allow .+ of this computer", "own firewall"),
        ("router", "is your router, 100.64.3.1", "Allow |Ask ", "outwards|network's firewall"),
        ("carrier", "100.64.3.1, belongs to your", "Ask your Internet provider", "provider|VPN"),
        ("beyond", "100.64.3.1, is further out", "Ask your Internet provider", "provider|VPN"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    ["outbound-tcp-blocked", "outbound-udp-blocked", "udp-range-limited", "tcp-range-limited",
     "calls-without-media"],
)  # fmt: skip
def test_where_it_breaks_is_said_and_comes_first(
    name: str, device: str, sentence: str, remedy: str, step: str
) -> None:
    values: dict[str, object] = {"device": device, "last_hop": "100.64.3.1"}
    text = kb.render(article(name), values)
    assert sentence in " ".join(kb.section(text, "Cause").split())
    assert re.match(remedy, kb.remedy(article(name), values))
    first = kb.section(text, "What to do").partition("\n2. ")[0]
    assert re.search(step, " ".join(first.split()))
    assert "How far do they get" not in kb.render(article(name))


CALLED = {
    "lan_address": "192.168.1.7", "public_address": "198.51.100.4", "nat_present": True,
    "ports": [1720],
}  # fmt: skip


def test_calls_only_outward_say_what_the_directory_names() -> None:
    named = CALLED | {"entry": "192.168.1.7:1720"}
    remedy = kb.remedy(article("calls-only-outward"), named)
    assert remedy.startswith("Forward TCP port 1720 on your router to 192.168.1.7, and have people")
    text = kb.render(article("calls-only-outward"), named)
    assert "finds the address 192.168.1.7:1720" in text
    assert "tell people to call 198.51.100.4 itself" in text
    for values in (CALLED, named | {"opened": 1720}):
        assert not kb.remedy(article("calls-only-outward"), values).endswith(remedy)
    forwarded = kb.render(article("calls-only-outward"), named | {"opened": 1720})
    assert "can be reached from outside" in forwarded
    assert "this computer was not reached" not in forwarded


def test_a_call_that_was_answered_needs_no_forwarding() -> None:
    answered = CALLED | {"answer": "192.168.1.7:20001"}
    for values in (answered, answered | {"opened": 1720}):
        remedy = kb.remedy(article("calls-only-outward"), values)
        assert remedy.startswith("Switch on the NAT editor for H.323 on your router")
        text = kb.render(article("calls-only-outward"), values)
        assert "The answer names 192.168.1.7:20001" in text
        assert "this computer was not reached" not in text
        assert "finds the address" not in text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("calls-only-outward", {}),
        ("calls-only-outward", {"entry": "192.168.1.7:1720"}),
        ("embedded-address-untouched", {"protocols": ["ldap"]}),
    ],
)
def test_who_has_two_routers_forwards_calls_twice(name: str, values: dict[str, object]) -> None:
    said = kb.remedy(article(name), CALLED | values | {"outer_router": "10.64.0.1"})
    assert "twice: on the router at 10.64.0.1 to your own router, and on your own to 192" in said
    assert "twice" not in kb.remedy(article(name), CALLED | values)


def test_a_router_behind_another_is_not_told_to_let_related_connections_in() -> None:
    public = {"nat_present": True, "public_address": "198.51.100.4"}
    for received, start in (
        ("10.64.0.2:6891", "Let only one router translate addresses: one writes 10.64.0.2:6891"),
        ("198.51.100.4:6891", "Let the firewall on your router"),
        ("24", "Let the firewall on your router"),
    ):
        remedy = kb.remedy(article("editor-pinhole-closed"), public | {"received": received})
        assert remedy.startswith(start)


def test_calls_only_outward_claim_no_more_sound_than_there_is() -> None:
    both = kb.render(article("calls-only-outward"), CALLED)
    one_way = kb.render(article("calls-only-outward"), CALLED | {"sound": "one-way"})
    assert "Calls that you make with NetMeeting work, with sound." in both
    assert "with sound." not in kb.section(one_way, "Symptoms")
    assert "sound would flow" in both
    assert "sound would flow" not in one_way
    assert "work in calls that you make, one way only" in one_way


def test_an_entry_in_a_directory_is_not_the_business_of_a_helper() -> None:
    values = CALLED | {"protocols": ["ldap"], "received": "192.168.1.7:1720"}
    remedy = kb.remedy(article("embedded-address-untouched"), values)
    assert "have people call 198.51.100.4 itself" in remedy
    text = kb.render(article("embedded-address-untouched"), values)
    assert "1. **Be called at your public address.**" in text
    assert "inspect ils" in text
    assert "Winsock" not in text


def test_what_a_call_asked_for_is_no_answer_to_a_packet() -> None:
    plain = kb.render(article("udp-reply-blocked"))
    in_a_call = kb.render(article("udp-reply-blocked"), {"sound": "one-way"})
    assert "answered each of them" in plain
    assert "answered each of them" not in in_a_call
    assert "where this computer's messages asked for them" in in_a_call


def test_where_replies_are_lost_comes_first() -> None:
    starts = {
        "computer": "Allow the answers in this",
        "router": "Look at the router",
        "carrier": "Ask the Internet provider",
    }
    for device, start in starts.items():
        text = kb.render(article("udp-reply-blocked"), {"device": device})
        assert kb.section(text, "What to do").startswith(f"1. **{start}")


def test_what_each_article_means_for_every_feature() -> None:
    for cause in (
        "udp-range-limited", "tcp-range-limited", "symmetric-mapping",
        "filtering-needs-peer-first", "carrier-grade-nat", "double-nat", "no-hairpin",
        "short-binding-lifetime", "fragments-dropped", "calls-without-media",
        "calls-only-outward", "one-way-media", "poor-media",
    ):  # fmt: skip
        for values in ({}, {"transport": "tcp"}, {"direction": "inbound", "kind": "audio"}):
            table = kb.section(kb.render(article(cause), values), "Cause").partition("| Effect |")[
                2
            ]
            for feature in ("files", "voice", "calling", "being called", "sound", "picture"):
                assert re.search(rf"^\|[^|]+\|[^|]*{feature}[^|]*\| \w.+\|$", table, re.MULTILINE)


def test_the_measured_values_are_shown() -> None:
    shown = {
        "udp-range-limited": "Of these ports, 25 % let packets through: 5004 and 16384–32767.",
        "tcp-range-limited": "Of these ports, 25 % can be reached over TCP: 5004 and 16384–32767.",
        "symmetric-mapping": "was seen from 198.51.100.4 and 198.51.100.5, depending",
        "filtering-needs-peer-first": "looks at the sender's address: who was sent anything",
        "carrier-grade-nat": "The address 100.64.3.1 was met on the way",
        "double-nat": "its outside address is 100.64.3.7",
        "short-binding-lifetime": "that time is 30 seconds for TCP connections",
        "one-way-media": "you do not hear your contact",
        "poor-media": "Of its packets, 12 % were lost. They came irregularly, by 45 ms",
    }
    for name, sentence in shown.items():
        assert sentence in " ".join(kb.render(article(name), FULL).split())
    assert "the mark 2.7 on the usual scale" in " ".join(
        kb.render(article("poor-media"), FULL).split()
    )


@pytest.mark.parametrize(
    ("ranges", "shown"),
    [
        (["16384–32767"], "16384–32767"),
        (["16384-32767", "80"], "80 and 16384–32767"),
        (["9–3", "1–70000", "x", "1–2–3", "$(reboot)", ""], None),
        ("1–2", None),
        ([7, None, ["8"]], "7"),
    ],
)
def test_open_ranges(ranges: object, shown: str | None) -> None:
    text = " ".join(kb.render(article("udp-range-limited"), {"open_ranges": ranges}).split())
    assert ("Packets get through on some of them" in text) == (shown is None)
    assert shown is None or f"Packets get through on {shown}, and not" in text


def test_a_list_of_addresses_holds_addresses_alone_and_few() -> None:
    many = ["1.2.3.4; reboot", "<b>", *(f"198.51.100.{n}" for n in range(1, 9)), 7]
    text = kb.render(article("symmetric-mapping"), {"public_addresses": many})
    assert "198.51.100.5, 198.51.100.6 and 2 more, depending" in " ".join(text.split())
    assert "reboot" not in text
    assert "<b>" not in text


def test_one_public_address_is_not_what_differs() -> None:
    one = kb.render(article("symmetric-mapping"), {"public_addresses": ["198.51.100.4"]})
    assert "another outside port for everyone" in " ".join(one.split())
    assert "Several were seen" not in one


@pytest.mark.parametrize("name", ["symmetric-mapping", "short-binding-lifetime"])
def test_what_is_not_known_to_be_tcp_is_not_said_to_be(name: str) -> None:
    assert not re.search("over TCP|RFC 5382 asks", kb.render(article(name)))
    assert re.search("over TCP|RFC 5382 asks", kb.render(article(name), {"transport": "tcp"}))


def test_remedy_fills_in() -> None:
    values = {**FULL, "ports": [*FILES]}
    one = {name: value for name, value in values.items() if name != "outer_router"}
    assert kb.remedy(article("inbound-tcp-blocked"), one) == (
        "Forward TCP ports 6891–6900 on your router (192.168.1.1) to 192.168.1.7."
    )
    assert kb.remedy(article("inbound-tcp-blocked"), values) == (
        "Forward TCP ports 6891–6900 twice: on the router at 192.168.0.1 to your own router, and "
        "on your own (192.168.1.1) to 192.168.1.7."
    )


# ---- typography ----


@each_article
def test_typography(article: kb.Article) -> None:
    for values in ({}, FULL):
        text = kb.render(article, values)
        assert not re.search(r"[ \t]+$", text, re.MULTILINE)
        assert "\t" not in text
        prose = re.sub(r"^ *```.*?^ *```$|`[^`\n]+`", "x", text, flags=re.DOTALL | re.MULTILINE)
        prose = re.sub(r"^ *- ", "", prose, flags=re.MULTILINE)
        for ugly in ('"', "...", " - ", " ,", " .", "( ", " )", "’", "<", "{", "}"):
            assert ugly not in prose, ugly
        assert not re.search(r"\S  +\S", prose)
        assert not re.search(r"\d{4}-\d{4}", prose)
        assert not re.search(r"\b([A-Za-z]{2,})\s+\1\b", prose)
        assert prose.count("“") == prose.count("”")


# ---- the command ----


def test_list_and_show_when_piped() -> None:
    listed = CliRunner().invoke(kb_group, ["list"])
    assert listed.exit_code == 0
    assert listed.stdout.splitlines() == [f"{a.id}\t{a.title}" for a in kb.articles()]

    shown = CliRunner().invoke(kb_group, ["show", "high-loss"])
    assert shown.exit_code == 0
    loss = article("high-loss")
    assert shown.stdout == f"# {loss.title}\n\n{kb.render(loss)}"


def test_show_suggests_what_was_meant() -> None:
    result = CliRunner().invoke(kb_group, ["show", "hihg-loss"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "There is no article “hihg-loss”: did you mean “high-loss”?\n"

    result = CliRunner().invoke(kb_group, ["show", "xyzzy"])
    assert result.exit_code == 2
    assert result.stderr == "There is no article “xyzzy”: “netcheck kb list” shows them all.\n"


RUN = "import sys; from netcheck.cli.kb import kb_group; kb_group(sys.argv[1:])"

if sys.platform != "win32":

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [(["list"], "Article "), (["show", "high-loss"], "What to do")],
    )
    def test_a_terminal_gets_a_rendering(arguments: list[str], expected: str) -> None:
        import os
        import pty

        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        command = [sys.executable, "-c", RUN, *arguments]
        with subprocess.Popen(command, stdout=theirs, env=environment) as process:
            os.close(theirs)
            screen = b""
            try:
                while chunk := os.read(ours, 65536):
                    screen += chunk
            except OSError:  # Linux says so when the other end is closed
                pass
            os.close(ours)
        assert process.returncode == 0
        text = re.sub(r"\x1b\[[0-9;]*m", "", screen.decode()).replace("\r\n", "\n")
        assert expected in text
        assert "## " not in text
        assert max(map(len, text.splitlines())) <= 80


def test_importing_is_cheap() -> None:
    heavy = "jinja2 markdown_it rich tomllib difflib netcheck.report probes importlib.resources"
    script = (
        "import sys, netcheck.kb, netcheck.cli.kb; "
        f"print([m for m in {heavy.split()} if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
