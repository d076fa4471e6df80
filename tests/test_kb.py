"""The knowledge base: every cause is answered, every value is tame, every command is right."""

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from netcheck import kb
from netcheck.cause import CAUSES
from netcheck.cli.kb import kb_group
from netcheck.report.model import Feature, Finding, Host, Nat, Report, Server, Tool
from probes.observation import (
    AnyObservation,
    Control,
    ControlAttempt,
    Mapped,
    NatMapping,
    StunSeen,
)
from probes.wire import link

HEADINGS = ["Symptoms", "Cause", "What to do", "More information", "Applies to"]
FILES = list(range(6891, 6901))
ODD = list(range(1, 40, 2))
INWARDS = "1503, 1720 and 6891–6900"

FULL: dict[str, object] = {
    "lan_address": "192.168.1.7",
    "router_address": "192.168.1.1",
    "server_host": "probe.example.net",
    "server_address": "203.0.113.5",
    "public_address": "198.51.100.4",
    "called_address": "198.51.100.4",
    "address": "10.0.0.1",
    "hostname": "desk",
    "name": "directory.example.net",
    "system": "Linux",
    "transport": "tcp",
    "local_port": 6901,
    "remote_port": 6901,
    "seen_port": 40001,
    "loss_percent": 12,
    "percent": 25,
    "open_ranges": ["5004", "16384–32767"],
    "public_addresses": ["198.51.100.4", "198.51.100.5"],
    "carrier_address": "100.64.3.1",
    "external_address": "100.64.3.7",
    "outer_router": "192.168.0.1",
    "last_hop": "192.168.1.1",
    "device": "router",
    "filtering": "address-dependent",
    "direction": "inbound",
    "kind": "audio",
    "seconds": 30,
    "jitter_ms": 45,
    "mos": "2.7",
    "program": "listener.exe",
    "proxy": "http://proxy.example.net:8080",
    "location": "http://portal.example.net/login",
    "detail": "no such name",
    "features": ["Receive files", "Receive calls"],
    "ports": [1503, *FILES],
    "nat_present": True,
    "carrier_grade": False,
    "again": "--server probe.example.net",
    "protocols": ["h323", "snmp"],
    "field": "h245Address",
    "sent": "192.168.1.7:1720",
    "received": "198.51.100.4:1720",
    "entry": "192.168.1.7:1720",
    "opened": 1720,
    "sound": "one-way",
    "editors": {"ftp": "edited", "h323": "mangled"},
}
# What the template gets besides, made from these.
MADE = {"single", "helpers", "helped", "advised", "advice", "inspected", "matrix"}
FREE = ["server_host", "hostname", "name", "program", "proxy", "location", "detail"]
EXACT = [
    "lan_address", "router_address", "called_address", "public_address", "address",
    "carrier_address", "external_address", "outer_router", "last_hop", "device", "filtering",
    "direction", "kind", "seconds", "jitter_ms", "mos", "percent", "field", "sent", "received",
    "entry", "opened", "sound",
]  # fmt: skip

each_article = pytest.mark.parametrize("article", kb.articles(), ids=lambda article: article.id)


def article(name: str) -> kb.Article:
    found = kb.find(name)
    assert found is not None
    return found


def code_blocks(markdown: str) -> list[str]:
    return [token.content for token in MarkdownIt().parse(markdown) if token.type == "fence"]


def code(name: str, values: dict[str, object]) -> str:
    return "\n".join(code_blocks(kb.render(article(name), values)))


def variants() -> Iterator[dict[str, object]]:
    """Every combination of the values on which the articles branch."""
    branches: list[list[dict[str, object]]] = [
        [{}, {"system": "Windows"}, {"system": "Linux"}, {"system": "Darwin"}],
        [{}, {"nat_present": False}, {"nat_present": True}, {"carrier_grade": True}],
        [{}, {"transport": "tcp"}, {"transport": "udp"}],
        [{}, {"local_port": 6901}],
        [{}, {"ports": [1720]}],
        [{}, {"entry": "192.168.1.7:1720", "opened": 1720}, {"sound": "one-way"}],
    ]
    for chosen in itertools.product(*branches):
        yield {name: value for part in chosen for name, value in part.items()}
    # These branch beside the former, not within them.
    streams: list[list[dict[str, object]]] = [
        [
            {},
            {"device": "computer"},
            {"device": "router"},
            {"device": "carrier"},
            {"device": "beyond"},
        ],
        [{}, {"last_hop": "100.64.3.1"}],
        [{}, {"direction": "outbound"}, {"direction": "inbound"}, {"direction": "both"}],
        [{}, {"kind": "audio"}, {"kind": "video"}],
        [
            {},
            {"protocols": ["msn"]},
            {"protocols": ["ldap"], "carrier_grade": True},
            {"protocols": ["ldap"]},
            {"protocols": ["ftp", "pptp", "snmp", "sip", "irc", "rpc", "dcom"]},
        ],
    ]
    for chosen in itertools.product(*streams):
        yield {name: value for part in chosen for name, value in part.items()}


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


# ---- commands ----


@pytest.mark.parametrize("name", ["inbound-tcp-blocked", "inbound-tcp-refused"])
def test_commands_that_open_ports_inwards(name: str) -> None:
    lines = code(name, {**FULL, "system": "", "ports": [*FILES, 1503]}).splitlines()
    for line in (
        "New-NetFirewallRule -LocalPort 1503,6891-6900 @rule",
        '  Direction = "Inbound"',
        '  Protocol = "TCP"',
        "sudo ufw allow 1503/tcp",
        "sudo ufw allow 6891:6900/tcp",
        "sudo firewall-cmd --permanent --add-port=1503/tcp",
        "sudo firewall-cmd --permanent --add-port=6891-6900/tcp",
        "sudo firewall-cmd --reload",
        "sudo nft 'insert rule inet filter input tcp dport {1503,6891-6900} accept'",
    ):
        assert line in lines


def test_commands_that_open_udp_inwards() -> None:
    lines = code("inbound-udp-blocked", {"ports": [6901]}).splitlines()
    for line in (
        "New-NetFirewallRule -LocalPort 6901 @rule",
        '  Protocol = "UDP"',
        "sudo ufw allow 6901/udp",
        "sudo firewall-cmd --permanent --add-port=6901/udp",
        "sudo nft 'insert rule inet filter input udp dport {6901} accept'",
    ):
        assert line in lines


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_commands_that_open_ports_outwards(transport: str) -> None:
    name = f"outbound-{transport}-blocked"
    to_ports = code(name, {"ports": [1863, *FILES]}).splitlines()
    for line in (
        "New-NetFirewallRule -RemotePort 1863,6891-6900 @rule",
        '  Direction = "Outbound"',
        f"sudo ufw allow out 1863/{transport}",
        f"sudo ufw allow out 6891:6900/{transport}",
        f"sudo nft 'insert rule inet filter output {transport} dport {{1863,6891-6900}} accept'",
    ):
        assert line in to_ports
    from_port = code(name, {"ports": [40000], "local_port": 6901}).splitlines()
    for line in (
        "New-NetFirewallRule -LocalPort 6901 @rule",
        f"sudo ufw allow out proto {transport} from any port 6901 to any",
        f"sudo nft 'insert rule inet filter output {transport} sport 6901 accept'",
    ):
        assert line in from_port


def test_only_the_commands_of_this_system_are_shown() -> None:
    assert "ufw" not in code("inbound-tcp-blocked", {"system": "Windows"})
    assert "NetFirewall" not in code("inbound-tcp-blocked", {"system": "Linux"})
    unknown = code("inbound-tcp-blocked", {"system": "Plan 9"})
    assert "ufw" in unknown
    assert "NetFirewall" in unknown


def test_a_broken_paste_never_allows_all_ports() -> None:
    # A terminal may break a long line. The rule's name, which PowerShell insists on, comes last.
    windows = FULL | {"system": "Windows"}
    with_rules = [a for a in kb.articles() if "New-NetFirewallRule" in kb.render(a, windows)]
    assert len(with_rules) > 1
    for candidate, values in itertools.product(with_rules, variants()):
        for line in kb.render(candidate, values).splitlines():
            if "New-NetFirewallRule" in line:
                assert re.fullmatch(r" *New-NetFirewallRule -\w+ (\S+|\"<.+>\") @rule", line)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")
@each_article
def test_shell_commands_have_shell_syntax(article: kb.Article) -> None:
    tokens = MarkdownIt().parse(kb.render(article, FULL))
    script = "\n".join(token.content for token in tokens if token.info == "sh")
    # What the reader has to put in himself, such as <program>, is no syntax yet.
    script = re.sub(r"<[a-z ]+>", "word", script)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


@each_article
def test_every_command_block_names_its_language(article: kb.Article) -> None:
    fences = [token for token in MarkdownIt().parse(kb.render(article)) if token.type == "fence"]
    assert {token.info for token in fences} <= {"sh", "powershell", "ini", "routeros", "cisco"}


@pytest.mark.parametrize(
    ("ports", "prose", "dashed"),
    [
        ([1863], "1863", "1863"),
        ([6900, 6891, 6892, 6900], "6891–6892 and 6900", "6891-6892,6900"),
        ([1863, *FILES], "1863 and 6891–6900", "1863,6891-6900"),
        ([389, 522, 1503], "389, 522 and 1503", "389,522,1503"),
        (list(range(2000, 2040, 2)), "1024–65535", "1024-65535"),
        ([0, -1, 65536, True, "80", 1720], "1720", "1720"),
        (ODD, f"{', '.join(map(str, ODD[:15]))} and 5 more", ",".join(map(str, ODD[:15]))),
        (["1024-65535"], "1024–65535", "1024-65535"),
        ([1720, "5000-6000", "7-6", "9-$(x)"], "1720 and 5000–6000", "1720,5000-6000"),
        (["$(reboot)"], INWARDS, "1503,1720,6891-6900"),
        ("1-9", INWARDS, "1503,1720,6891-6900"),
    ],
)
def test_port_lists(ports: object, prose: str, dashed: str) -> None:
    text = kb.render(article("inbound-tcp-blocked"), {"ports": ports})
    assert f"-LocalPort {dashed} @rule" in text
    assert f"External ports: {prose}\n" in text


# ---- values that nobody can trust ----

FRAGMENTS = [
    "[x](javascript:1)", "![x](http://a/b)", "<script>", "</p><img src=x onerror=1>", "`id`",
    "``", "$(rm -rf)", "; reboot", "\n# x", "\r\n\r\n- x", "1. x", "- x", "***", "~~x~~", "| a |",
    "&lt;", "&#x3c;", "\\", "\x1b[31m", "\u202e", "http://evil.example", "www.evil.example",
    "a@evil.example", "{{ 7*7 }}", "{% raw %}", "<http://a>", "[x]: http://a", "\u2028", "\x00",
    "```\n", "\ud800", "__x__", "---", "===",
]  # fmt: skip
hostile = st.builds(
    "".join, st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), min_size=1, max_size=5)
).filter(lambda text: re.search(r"[^\w.:\s-]", text))

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def skeleton(markdown: str) -> list[tuple[Any, ...]]:
    """What Markdown makes of a text, without the words: blocks, marks, links, and all code."""
    bones: list[tuple[Any, ...]] = []
    for token in PARSER.parse(markdown):
        for part in (token, *(token.children or ())):
            content = part.content if part.type in ("fence", "code_inline") else ""
            bones.append((part.type, part.tag, content))
    return bones


def words(markdown: str) -> str:
    inlines = (token.children or () for token in PARSER.parse(markdown))
    return "".join(part.content or " " for children in inlines for part in children)


TAME = {
    (article.id, name): skeleton(kb.render(article, {**FULL, name: "tame words"}))
    for article in kb.articles()
    for name in FREE
}
SHOWN = [
    (article, name)
    for article in kb.articles()
    for name in FREE
    if "tame words" in kb.render(article, {**FULL, name: "tame words"})
]
UNKNOWN = {
    (article.id, name): kb.render(article, {k: v for k, v in FULL.items() if k != name})
    for article in kb.articles()
    for name in FREE + EXACT
}


def check_that_only_text_is_added(article: kb.Article, name: str, value: str) -> None:
    rendered = kb.render(article, {**FULL, name: value})
    if rendered != UNKNOWN[article.id, name]:
        assert skeleton(rendered) == TAME[article.id, name]
    # Dialects that link bare addresses find none that our own text does not have.
    baseline = kb.render(article, {**FULL, name: "tame words"})
    for bare in (r"(?<!\\)://", r"(?<!\\)@", r"(?i)www\."):
        assert len(re.findall(bare, rendered)) <= len(re.findall(bare, baseline))
    assert all(c.isprintable() or c == "\n" for c in rendered)


@given(st.sampled_from(SHOWN), hostile)
def test_a_hostile_value_is_text_and_nothing_else(
    shown: tuple[kb.Article, str], value: str
) -> None:
    check_that_only_text_is_added(*shown, value)


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=ascii)
def test_each_known_trick_is_text_and_nothing_else(fragment: str) -> None:
    for shown in SHOWN:
        check_that_only_text_is_added(*shown, f"{fragment} <x>")


@given(st.sampled_from(kb.articles()), st.sampled_from(EXACT), hostile)
def test_a_malformed_address_counts_as_unknown(article: kb.Article, name: str, value: str) -> None:
    assert kb.render(article, {**FULL, name: value}) == UNKNOWN[article.id, name]


@given(hostile)
def test_a_hostile_feature_title_stays_in_its_cell(value: str) -> None:
    name = "outbound-tcp-blocked"
    rendered = kb.render(article(name), {**FULL, "features": [value]})
    tame = kb.render(article(name), {**FULL, "features": ["tame"]})
    assert skeleton(rendered) == skeleton(tame)


@given(st.text("<>[]()*_`~|&#!\\{}$;:/.-+=@^\"'ab1", min_size=1, max_size=60))
def test_neutralising_loses_nothing_of_a_short_value(value: str) -> None:
    assert value in words(kb.render(article("proxy-required"), {"proxy": value}))


@given(hostile)
def test_a_remedy_stays_one_printable_line(value: str) -> None:
    sentence = kb.remedy(article("local-port-in-use"), {"program": value})
    assert sentence.isprintable()


@pytest.mark.parametrize("name", FREE + EXACT)
def test_a_long_value_is_cut(name: str) -> None:
    for candidate in kb.articles():
        plain = kb.render(candidate, {**FULL, name: "x"})
        long = kb.render(candidate, {**FULL, name: "x" * 10_000})
        # A name may occur several times; each occurrence is bounded.
        assert len(long) < len(plain) + 20 * kb.LONGEST_VALUE
        assert "x" * (kb.LONGEST_VALUE + 1) not in long


@pytest.mark.parametrize(
    "address",
    ["fe80::1%eth0;reboot", "1.2.3.4 ", "1.2.3", "1.2.3.4/24", "１.2.3.4", "-1", "", "1.2.3.4\n"],
)
def test_what_is_no_address_never_reaches_a_command(address: str) -> None:
    commands = code("high-loss", {"router_address": address})
    assert "ping -c 100 <address of your router>" in commands.splitlines()


@pytest.mark.parametrize("host", ["-rf", "a;b", "a b", "a_b", "a..b", "$HOME", "a`b`", "é.example"])
def test_what_is_no_host_name_never_reaches_a_command(host: str) -> None:
    rendered = kb.render(article("dns-failure"), {"name": host})
    assert "nslookup <name in the report> 9.9.9.9" in rendered


@pytest.mark.parametrize("host", ["messenger.example.net", "localhost", "::1", "203.0.113.5"])
def test_a_host_name_or_address_does(host: str) -> None:
    assert f"nslookup {host} 9.9.9.9" in code("dns-failure", {"name": host})


# ---- values of a report ----


def report(**changes: Any) -> Report:
    finding = Finding(
        id="f1",
        cause="inbound-tcp-blocked",
        severity="error",
        article="inbound-tcp-blocked",
        title="",
        evidence=[],
        parameters={"ports": [*FILES], "called_address": "198.51.100.4"},
    )
    given: dict[str, Any] = {
        "id": "r1",
        "started_at": "2024-05-01T12:00:00Z",
        "duration_s": 1.0,
        "tool": Tool(name="netcheck", version="0"),
        "host": Host(
            name="desk",
            system="Linux",
            addresses=["127.0.0.1", "::1", "172.17.0.1", "192.168.1.7"],
            gateways=["192.168.1.1"],
        ),
        "server": Server(host="probe.example.net", embedded=False, reached=True),
        "overall": "fails",
        "features": [
            Feature(
                profile="p", feature="a", title="Send files", verdict="fails", summary="",
                findings=["f1"],
            ),
            Feature(profile="p", feature="b", title="Messaging", verdict="works", summary=""),
        ],
        "nat": Nat(present=True, public_addresses=["198.51.100.4"]),
        "findings": [finding],
    }  # fmt: skip
    return Report(**{**given, **changes})


def test_values_of_a_report() -> None:
    r = report()
    values = kb.values_of(r, r.findings[0])
    assert values == {
        "hostname": "desk",
        "system": "Linux",
        "lan_address": "192.168.1.7",
        "router_address": "192.168.1.1",
        "server_host": "probe.example.net",
        "public_address": "198.51.100.4",
        "nat_present": True,
        "features": ["Send files"],
        "ports": FILES,
        "called_address": "198.51.100.4",
    }
    text = kb.render(kb.article_for("inbound-tcp-blocked"), values)
    assert "To the internal address: 192.168.1.7" in text


PRINT = "0f" * 32


def control(port: int = 8463) -> Control:
    return Control(
        id="control", at_s=0, took_s=1, host="x", connected=True, server_address="203.0.113.5",
        attempts=(ControlAttempt(port=port, outcome="connected"),),
        server_addresses=("203.0.113.5", "203.0.113.66"),
    )  # fmt: skip


def stun_seen(port: int = 3478) -> StunSeen:
    return StunSeen(
        id="stun", at_s=0, took_s=0, server=f"203.0.113.5:{port}", other_address="203.0.113.66:3479"
    )


def mapping(*destinations: str) -> NatMapping:
    seen = tuple(Mapped(destination=each, attempts=()) for each in destinations)
    return NatMapping(id="nat-mapping-udp", at_s=0, took_s=0, transport="udp", local="", seen=seen)


BOTH = mapping("203.0.113.5:3478", "203.0.113.6:3478", "203.0.113.6:3479")
ONE = mapping("203.0.113.5:3478", "203.0.113.5:3479")


@pytest.mark.parametrize(
    ("server", "observations", "options"),
    [
        ({}, [control()], " --server probe.example.net"),
        ({}, [control(443)], " --server probe.example.net"),
        ({}, [control(9000)], " --server probe.example.net:9000"),
        ({"host": "2001:db8::5"}, [control(9000)], " --server [2001:db8::5]:9000"),
        ({"certificate": "unchecked"}, [control()], " --server probe.example.net --insecure"),
        (
            {"certificate": "pinned", "fingerprint": PRINT},
            [control(), BOTH],
            f' --server "netcheck://probe.example.net:8463?also=203.0.113.6#{PRINT}"',
        ),
        (
            {"certificate": "pinned", "fingerprint": PRINT},
            [control(), ONE],
            f' --server "netcheck://probe.example.net:8463#{PRINT}"',
        ),
        ({"host": "203.0.113.5:3478"}, [stun_seen(), BOTH],
         " --stun 203.0.113.5:3478 --stun 203.0.113.6"),
        ({"host": "203.0.113.5:9"}, [stun_seen(9), ONE], " --stun 203.0.113.5:9"),
        ({"embedded": True}, [control()], ""),
        ({"host": "a;reboot"}, [control(9000)], " --server <test server>"),
        ({"certificate": "pinned", "fingerprint": '"; reboot'}, [control()],
         " --server probe.example.net"),
    ],
)  # fmt: skip
def test_the_command_to_check_again_reaches_the_same_server(
    server: dict[str, Any], observations: list[AnyObservation], options: str
) -> None:
    given = {"host": "probe.example.net", "embedded": False, "reached": True, **server}
    r = report(server=Server(**given), observations=observations)
    rendered = code("inbound-tcp-blocked", kb.values_of(r, r.findings[0]))
    assert rendered.splitlines()[-1] == f"netcheck check{options}"
    for said in re.findall('--server "?([^ "<]+)|--stun ([^ ]+)', options):
        link.parse("".join(said))


@pytest.mark.parametrize(
    "again", ["--server a; reboot", "--output /etc/passwd", "--server $(x)", "--server -x", 7]
)
def test_a_finding_does_not_choose_the_command(again: object) -> None:
    values = {"again": again, "server_host": "probe.example.net"}
    rendered = code("inbound-tcp-blocked", values)
    assert rendered.splitlines()[-1] == "netcheck check --server probe.example.net"


@pytest.mark.parametrize(
    ("addresses", "gateways", "expected"),
    [
        (["10.8.0.2", "192.168.1.7"], ["192.168.1.1"], "192.168.1.7"),
        (["169.254.3.4", "192.168.1.7"], [], "192.168.1.7"),
        (["2001:db8::7"], ["fe80::1"], "2001:db8::7"),
        ([], [], None),
    ],
)
def test_the_lan_address_is_the_one_towards_the_router(
    addresses: list[str], gateways: list[str], expected: str | None
) -> None:
    r = report(host=Host(name="", system="unknown", addresses=addresses, gateways=gateways))
    assert kb.values_of(r, r.findings[0]).get("lan_address") == expected


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
