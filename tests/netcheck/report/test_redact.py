"""Nothing that says who a report is about is left in it, and everything else is."""

from __future__ import annotations

import ipaddress
import json
import time
import unicodedata
from itertools import cycle
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netcheck import plan, profile
from netcheck.diagnosis import diagnose
from netcheck.report import json as json_format
from netcheck.report import placeholders
from netcheck.report import text as text_format
from netcheck.report.compare import compare
from netcheck.report.model import Host, Port, Report, Server
from netcheck.report.placeholders import Placeholders
from netcheck.report.read import parse
from netcheck.report.redact import redact
from netcheck.report.schema import schema
from probes.observation import InboundTcp, LocalFacts

from .samples import _poisoned, all_good, all_samples, behind_nat, everything
from .strategies import reports

USER, COMPUTER, SERVER, PROGRAM = (
    "alice.liddell",
    "LOOKING-GLASS7",
    "echo.oxford.example",
    "jam.exe",
)
PRIVATE, PUBLIC, CARRIER = "192.168.178.23", "198.51.100.77", "100.71.13.9"
UNIQUE, GLOBAL = "fd12:3456:789a::17", "2001:db8:1865:11::4"
MAC, FINGERPRINT = "02:1a:7d:da:71:13", "5eC7e7" * 10 + "abcd"

_PACKED = ipaddress.ip_address(PRIVATE).packed
SPELLINGS: tuple[str, ...] = (
    USER,
    USER.upper(),
    f"/home/{USER}/x",
    rf"C:\Users\{USER}\x",
    COMPUTER,
    COMPUTER.lower(),
    SERVER,
    SERVER.upper(),
    f"netcheck://{SERVER}:8463,443?also={PUBLIC},{GLOBAL}#{FINGERPRINT}",
    f"http://{USER}:secret@{SERVER}:3128/way?mac={MAC}&ip={PRIVATE}",
    f"{USER}@{SERVER}",
    PROGRAM,
    *(f"{address}:6891" for address in (PRIVATE, PUBLIC, CARRIER)),
    *(f"[{address}]:6891" for address in (UNIQUE, GLOBAL)),
    *(PRIVATE, PUBLIC, CARRIER, UNIQUE, GLOBAL),
    ipaddress.ip_address(GLOBAL).exploded,
    GLOBAL.upper(),
    f"{GLOBAL}%eth0",
    f"::ffff:{PRIVATE}",
    f"64:ff9b::{PUBLIC}",
    PRIVATE.replace(".", ","),
    f"{PRIVATE.replace('.', ',')},26,235",
    PRIVATE.replace(".", "-"),
    "192.168.178.023",
    ipaddress.ip_address(PRIVATE).reverse_pointer,
    ipaddress.ip_address(GLOBAL).reverse_pointer,
    _PACKED.hex(),
    _PACKED.hex(" "),
    _PACKED.hex(":").upper(),
    repr(_PACKED),
    str(int(ipaddress.ip_address(PRIVATE))),
    (int(ipaddress.ip_address(PRIVATE)) ^ 0x2112A442).to_bytes(4).hex(),
    ipaddress.ip_address(UNIQUE).packed.hex(),
    f"1.3.6.1.2.1.4.20.1.1.{PRIVATE}",
    MAC,
    MAC.upper().replace(":", "-"),
    "021a.7dda.7113",
    f"enx{MAC.replace(':', '')}",
    FINGERPRINT,
    "192.168\u200b.178.23",
    "192.168\ufe0f.178.23",
    PRIVATE.replace(".", "%2E"),
    GLOBAL.replace(":", "%3A"),
    MAC.replace(":", "%3a"),
    SERVER.replace(".", "%2e"),
    "".join(chr(ord(c) + 0xFEE0) for c in PRIVATE),
    "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in PRIVATE),
    PRIVATE.replace(".", "[.]"),
    PRIVATE.replace(".", " "),
    "-".join(reversed(PRIVATE.split("."))),
    " ".join(reversed(PRIVATE.split("."))),
    "192168178023",
    _PACKED[::-1].hex(),
    "".join(f"%{byte:02X}" for byte in _PACKED),
    ipaddress.ip_address(PRIVATE).reverse_pointer.upper(),
    "178.168.192.in-addr.arpa",
    UNIQUE.replace(":", "-"),
    MAC.replace(":", " "),
    MAC.replace(":", "_"),
    "001a7dfffeda7113",
    f"wlx{MAC.replace(':', '')}",
)

GIVEN_AWAY = (
    *(USER, COMPUTER, SERVER, "oxford.example", PROGRAM, "secret", MAC, MAC.replace(":", "-")),
    *("021a.7dda.7113", MAC.replace(":", ""), FINGERPRINT),
    *(PRIVATE, PUBLIC, CARRIER, UNIQUE, GLOBAL, "192.168.178.023", ",178,23", "-178-23"),
    ipaddress.ip_address(GLOBAL).exploded,
    *(MAC.replace(":", " "), MAC.replace(":", "_"), "7dfffeda", "2e178", "192 168", "[.]178"),
    *(
        "23-178",
        "23 178",
        "192168178",
        _PACKED[::-1].hex(),
        "178.168.192",
        "fd12-",
        "%3a",
        "１９２",
        "١٩٢",
    ),
    *("%2e", "c0%a8"),
    *(_PACKED.hex(), _PACKED.hex(" "), _PACKED.hex(":"), repr(_PACKED)[2:-1]),
    str(int(ipaddress.ip_address(PRIVATE))),
    *(ipaddress.ip_address(a).reverse_pointer for a in (PRIVATE, GLOBAL)),
    ipaddress.ip_address(UNIQUE).packed.hex(),
    (int(ipaddress.ip_address(PRIVATE)) ^ 0x2112A442).to_bytes(4).hex(),
)

_AROUND = st.sampled_from(
    ["", " ", ", ", "; ", "(", ")", "'", '"', "“", "/", " of ", ". ", "=", "<"]
)
_FEW = st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=3).map(" ".join)
_PLANTED = st.builds("{}{}{}".format, _AROUND, _FEW, _AROUND)


def knowing(report: Report) -> Report:
    """The same report, which names everything once where it belongs."""
    local = LocalFacts(id="l", at_s=0, took_s=0, hostname=COMPUTER, system="Linux")
    inbound = InboundTcp(
        id="i", at_s=0, took_s=0, port=1, number=1, address=PRIVATE, busy_by=PROGRAM
    )
    return msgspec.structs.replace(
        report,
        host=Host(
            name=COMPUTER, system="", addresses=[PRIVATE, UNIQUE], vpn_interfaces=[f"en {MAC}"]
        ),
        server=Server(host=SERVER, embedded=False, reached=True, fingerprint=FINGERPRINT),
        observations=[local, inbound, *report.observations],
    )


def leaks(said: str) -> list[str]:
    folded = said.casefold()
    return [secret for secret in GIVEN_AWAY if secret.casefold() in folded]


_TEXTS = st.lists(_PLANTED, min_size=1, max_size=60)


def planted(texts: list[str]) -> Report:
    """A report in which every text, but those of closed lists, holds secrets."""
    poisoned = _poisoned(msgspec.to_builtins(everything(), str_keys=True), cycle(texts))
    return knowing(msgspec.convert(poisoned, Report, str_keys=True))


@example(["198.51.100.77:6891 ١٩٢.١٦٨.١٧٨.٢٣"])  # is no name within a domain
@example([", 192[.]168[.]178[.]23 /home/alice.liddell/x"])
@given(_TEXTS)
@settings(max_examples=60)
def test_no_secret_is_left_in_any_text(texts: list[str]) -> None:
    assert leaks(json_format.render(redact(planted(texts), [USER]))) == []


@example([ipaddress.ip_address(GLOBAL).exploded])  # ends in no port
@given(_TEXTS)
@settings(max_examples=40)
def test_what_was_redacted_stays_as_it_is(texts: list[str]) -> None:
    once = redact(planted(texts), [USER])
    assert redact(once, [USER]) == once


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("around", ["{}", "at {}.", "({})", "x={};", "“{}”"])
def test_each_spelling_in_a_sentence(spelling: str, around: str) -> None:
    report = msgspec.structs.replace(all_good(), note=around.format(spelling))
    assert leaks(redact(knowing(report), [USER]).note) == []


@given(reports())
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
def test_any_report_can_be_redacted_twice(report: Report) -> None:
    once = redact(report)
    assert redact(once) == once


@pytest.mark.parametrize("name", sorted(all_samples()))
def test_a_redacted_report_is_a_report(name: str) -> None:
    report = all_samples()[name]
    redacted = redact(report)
    rendered = json_format.render(redacted)
    if name != "hostile":
        jsonschema.validate(json.loads(rendered), schema())
    # JSON has no half of a surrogate pair, which some of the hostile texts end in.
    assert json_format.render(parse(rendered.encode())) == rendered
    assert text_format.render(redacted, details=True, articles=True)


def test_comparing_redacted_reports_says_the_same() -> None:
    plain = compare(all_good(), behind_nat())
    redacted = compare(redact(all_good()), redact(behind_nat()))
    assert [(c.trend, c.new and c.new.verdict) for c in plain.features] == [
        (c.trend, c.new and c.new.verdict) for c in redacted.features
    ]
    assert len(plain.ports) == len(redacted.ports)
    assert plain.worse == redacted.worse


def test_redacted_observations_can_be_diagnosed_again() -> None:
    profiles = profile.built_in()
    whole = plan.make(profiles, "default")
    for report in (everything(), behind_nat(), all_good()):
        found = diagnose(profiles, whole, report.observations)
        again = diagnose(profiles, whole, redact(report).observations)
        assert [f.verdict for f in again.features] == [f.verdict for f in found.features]
        # That an address is a carrier's can be read, but is no proof any more.
        causes = [f.cause for f in found.findings if f.cause != "carrier-grade-nat"]
        assert [f.cause for f in again.findings] == causes
        assert (again.nat.mapping, again.nat.filtering) == (found.nat.mapping, found.nat.filtering)


def test_the_same_value_has_the_same_placeholder_and_its_port() -> None:
    redacted = redact(everything())
    own = redacted.host.addresses[0]
    assert own == "private-address-1"
    assert redacted.editors[0].sent == f"{own}:20001"
    assert redacted.nat.public_addresses[0].startswith("public-address-")
    assert [hop.address.rpartition("-")[0] for hop in redacted.path if hop.address] == [
        "private-address", "carrier-address", "public-address", "public-address",
    ]  # fmt: skip
    assert redacted.host.name == "computer-1"
    assert redacted.server.host == "server-1"
    assert "program-1" in redacted.findings[0].parameters.values()
    assert any(port.why == "taken by program-1" for port in redacted.ports)


def test_nothing_else_is_touched() -> None:
    report = everything()
    redacted = redact(report)
    assert redacted.started_at == report.started_at
    assert (redacted.id, redacted.tool) == (report.id, report.tool)
    assert [o.id for o in redacted.observations] == [o.id for o in report.observations]
    assert [f.evidence for f in redacted.findings] == [f.evidence for f in report.findings]
    assert [f.title for f in redacted.features] == [f.title for f in report.features]
    ports = [msgspec.structs.replace(p, why="") for p in report.ports]
    assert [msgspec.structs.replace(p, why="") for p in redacted.ports] == ports


@pytest.mark.parametrize(
    "text",
    [
        "at 12:30:45, 3 of 4",
        "127.0.0.1:8463 and [::1]:443 and 0.0.0.0",
        "64:ff9b::/96",
        "netcheck 0.1.0",
        "TCP 6891–6900 and 6891-6900",
        "ports 21,135,389,522,1503,1720",
        "losses 0,0,0,0,0,0",
        "private-address-1:6891 of computer-1",
        "the report of 2026-11-21 20:14:55",
    ],
)
def test_what_says_nothing_of_anybody_stays(text: str) -> None:
    known = Placeholders()
    known.learn(text)
    known.complete()
    assert known.redact(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"227 ({PRIVATE.replace('.', ',')},26,235)", "227 (private-address-1,26,235)"),
        (f"[{GLOBAL}]:6891", "public-address-1:6891"),
        (f"fe80::1%eth0 and {CARRIER}", "link-local-address-1 and carrier-address-1"),
        (f"http://{PRIVATE}/login?user=x.", "http://private-address-1/…."),
        (
            f"netcheck://h:1?also={PUBLIC}#{'a' * 64}",
            "netcheck://host-1:1?also=public-address-1#fingerprint-1",
        ),
        ("private-address-7 10.0.0.1", "private-address-7 private-address-8"),
        (
            f"23.178.168.192.in-addr.arpa {PRIVATE}",
            "private-address-1.in-addr.arpa private-address-1",
        ),
    ],
)
def test_what_becomes_of_a_text(text: str, redacted: str) -> None:
    known = Placeholders()
    known.reserve(text)
    known.learn(text)
    known.complete()
    assert known.redact(text) == redacted


@pytest.mark.parametrize("name", ["Strauß", "İbrahim", "José", "ΣΊΣΥΦΟΣ", "Kelvin"])
def test_a_name_in_any_case_and_form(name: str) -> None:
    for form in ("NFC", "NFD"):
        for written in (name, name.upper(), name.lower(), name.casefold()):
            known = Placeholders()
            known.name(name, "user")
            known.complete()
            said = unicodedata.normalize(form, written)
            assert known.redact(f"by {said}.") == "by user-1."


def test_a_mac_that_holds_an_address_is_a_mac() -> None:
    text = "172.17.0.2 has 02:42:ac:11:00:02 and fe80::42:acff:fe11:2"
    known = Placeholders()
    known.learn(text)
    known.complete()
    said = "private-address-1 has mac-address-1 and link-local-address-1"
    assert known.redact(text) == said


def test_the_time_it_takes_does_not_grow_with_what_is_known() -> None:
    addresses = [f"10.{n >> 8}.{n & 255}.7" for n in range(20_000)]
    host = msgspec.structs.replace(all_good().host, addresses=addresses)
    began = time.process_time()
    redacted = redact(msgspec.structs.replace(all_good(), host=host, note=":" * 3_000_000))
    assert time.process_time() - began < 10
    assert redacted.host.addresses[-1] == "private-address-20000"


def test_the_name_of_a_zone_is_tried_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is, and whatever dots are in it."""
    tried: list[str] = []
    look = placeholders._may_be_six

    def counted(text: str) -> bool:
        tried.append(text)
        return look(text)

    monkeypatch.setattr(placeholders, "_may_be_six", counted)
    known = Placeholders()
    known.learn("1:2:3%" + "a." * 1000)
    assert len(tried) < 100
    known.learn(f"[at:{GLOBAL}%a.b]")
    known.complete()
    assert known.redact(f"[at:{GLOBAL}%a.b]") == "[at:public-address-1]"


def test_a_name_that_is_a_word_of_ours_or_one_letter_is_replaced_where_it_is_a_name() -> None:
    report: Any = msgspec.structs.replace(
        all_good(), host=Host(name="a", system=""), note="a port", ports=[]
    )
    assert redact(report).host.name == "computer-1"
    assert redact(report).note == "a port"
    tcp = msgspec.structs.replace(report, host=Host(name="TCP", system=""), note="TCP 1")
    assert (redact(tcp).host.name, redact(tcp).note) == ("computer-1", "TCP 1")
    assert Port in {type(p) for p in redact(all_good()).ports}


def test_two_spellings_side_by_side_are_both_found() -> None:
    report = msgspec.structs.replace(all_good(), note="192 168 178 23 192,168,178,23")
    assert leaks(redact(knowing(report), [USER]).note) == []


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        # forwards and backwards, with one number for both
        ("192 168 178 23 178 168 192", "private-address-1 178 168 192"),
        # the longer begins with the shorter
        ("c0a8b217000000000000000000000001", "public-address-1"),
        ("c0a8b217000000000000000000000002", "private-address-1000000000000000000000002"),
    ],
)
def test_of_two_spellings_that_overlap_one_is_taken(text: str, redacted: str) -> None:
    known = Placeholders()
    known.learn(f"{PRIVATE} c0a8:b217::1")
    known.complete()
    assert known.redact(text) == redacted
