"""One dialogue: every verdict that the contract has, and when none may be given."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import dialogue
from netcheck.diagnosis.editors import WORST_FIRST
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import Judged, Seen, address_of
from netcheck.report.model import Port
from probes.observation import AnyObservation, Heard, Talk

from . import measured, talked
from .measured import OURS, PUBLIC, SERVER, silent, tries
from .talked import BACK, EDITED, KEPT, KINDS, REACHED, SEEN, SHUT, SOCKET, UNPROVEN, said

HELD = (measured.control(), measured.loss(), measured.ledger(proven_addresses=(PUBLIC,)))
ELSEWHERE = "100.64.3.7:20001"
DAMAGED = talked.heard(said(EDITED), faults=("Content-Length: 9, and the body has 12 bytes",))
SPARED = said(f"{SERVER}:1720", f"{SERVER}:1720", "destCallSignalAddress", announced=False)
HALF = (said(EDITED, field="h245Address"), said(KEPT, field="sourceCallSignalAddress"))
CALL_ID = {"protocol": "pptp", "dialogue": "pptp", "port": 1723}
SIP = {"protocol": "sip", "dialogue": "sip-udp", "transport": "udp", "port": 5060}
SNMP = {"protocol": "snmp", "dialogue": "snmp-v2c", "transport": "udp", "port": 162}


def judge(
    own: Talk,
    control: Talk | None = None,
    *others: AnyObservation,
    ports: tuple[Port, ...] = (),
    translated: bool | None = True,
) -> Judged:
    changed = {o.id: o for o in others}
    facts = Facts([changed.get(o.id, o) for o in HELD])
    return dialogue.judge(facts, own, control, Seen(frozenset({PUBLIC}), translated, ports))


def plain(**more: Any) -> Talk:
    """Without a NAT."""
    return talked.talk(**({"source": SOCKET} | more))


def call_id(sent: str, arrived: str, back: str) -> Talk:
    answer = Heard(
        expected=1, kinds=("Outgoing-Call-Reply",), said=(said(back, arrived, "Peer's Call ID"),)
    )
    number = said(arrived, sent, "Call ID", announced=False)
    return talked.talk(number, back=answer, **CALL_ID)


def sip(**fates: str) -> Talk:
    names = {"via": "Via", "contact": "Contact", "frm": "From", "c": "c=", "m": "m=audio",
             "rtcp": "a=rtcp"}  # fmt: skip
    carried = [said(EDITED, field=names[name]) for name in names if fates.get(name) == "edited"]
    carried += [said(KEPT, field=names[name]) for name in names if fates.get(name) == "kept"]
    return talked.talk(*carried, followed=REACHED, **SIP)


LAST_ANSWER_LOST = Heard(expected=4, kinds=talked.ANSWERS[:3])
CONTROL = talked.control()
EDITED_THERE = talked.control(said(EDITED))

# own port, control port -> verdict, a part of the reason, what acts, pinhole
CASES: dict[str, tuple[Talk, Talk | None, str, str, str | None, bool | None]] = {
    "no-translation": (plain(), CONTROL, "not-needed", "not translated", None, None),
    "no-translation-and-no-control": (plain(), None, "not-needed", "not translated", None, None),
    "port-translated-alone": (
        plain(source=f"{OURS}:50000"), CONTROL, "untouched", "still says", None, None,
    ),
    "untouched": (talked.talk(), CONTROL, "untouched", f"PORT still says {KEPT}", None, None),
    "untouched-unproven": (
        talked.talk(followed=UNPROVEN), CONTROL, "untouched", "still says", None, None,
    ),
    "untouched-call-id": (
        call_id("4660", "4660", "4660"), CONTROL, "untouched", "Call ID is as it was", None, None,
    ),
    "edited": (
        talked.talk(said(EDITED), followed=REACHED), CONTROL,
        "edited", f"rewritten to {EDITED}, and reached there", "port", True,
    ),
    "edited-by-content": (
        talked.talk(said(EDITED), followed=REACHED), EDITED_THERE,
        "edited", "reached there", "content", True,
    ),
    "edited-call-id": (
        call_id("4660", "49813", "4660"), None, "edited", "Call ID was rewritten", None, None,
    ),
    "edited-where-nobody-goes": (
        talked.talk(said(PUBLIC, OURS, "agent-addr", announced=False), **SNMP), CONTROL,
        "edited", f"rewritten to {PUBLIC}", "port", None,
    ),
    "edited-by-content-where-nobody-goes": (
        talked.talk(said(PUBLIC, OURS, announced=False), **SNMP), EDITED_THERE,
        "edited", f"rewritten to {PUBLIC}", "content", None,
    ),
    "edited-all-but-what-may-stay": (
        sip(contact="edited", c="edited", m="edited", frm="kept", rtcp="kept", via="kept"),
        None, "edited", "reached there", None, True,
    ),
    "unreachable": (
        talked.talk(said(EDITED), followed=SHUT), CONTROL,
        "edited-unreachable", "nobody gets in there", "port", False,
    ),
    "unreachable-refused": (
        talked.talk(said(EDITED), followed=talked.followed(*tries("refused", "refused"))), CONTROL,
        "edited-unreachable", "refused", "port", False,
    ),
    "unreachable-another-answers": (
        talked.talk(said(EDITED), followed=talked.followed(*tries("foreign"))), CONTROL,
        "edited-unreachable", "something else answers", "port", False,
    ),
    "unreachable-one-of-two": (
        talked.talk(said(EDITED), followed=(*REACHED, *SHUT)), CONTROL,
        "edited-unreachable", "nobody gets in", "port", False,
    ),
    "unreachable-by-content": (
        talked.talk(said(EDITED), followed=SHUT), EDITED_THERE,
        "edited-unreachable", "nobody gets in", "content", False,
    ),
    "to-another-nat-by-content": (
        talked.talk(said(ELSEWHERE), followed=UNPROVEN), talked.control(said(ELSEWHERE)),
        "edited-unreachable", "not your address as others see it", "content", False,
    ),
    "to-another-nat": (
        talked.talk(said(ELSEWHERE), followed=UNPROVEN), CONTROL,
        "edited-unreachable", "not your address as others see it", "port", False,
    ),
    "answer-cut-off": (
        talked.talk(back=LAST_ANSWER_LOST, outcome="broken-off", cut=2), CONTROL,
        "blocked", "TCP 21 is ended each time before the answer 200 comes back", None, None,
    ),
    "answer-cut-off-once": (
        talked.talk(back=LAST_ANSWER_LOST, outcome="broken-off", cut=1), CONTROL,
        "untouched", "still says", None, None,
    ),
    "answer-kept-back": (
        talked.talk(back=LAST_ANSWER_LOST, outcome="broken-off", tries=9), CONTROL,
        "blocked", "the answer 200 does not come back on TCP 21, and does on ano", None, None,
    ),
    "answer-perhaps-lost": (
        talked.talk(back=LAST_ANSWER_LOST, outcome="broken-off", tries=1), CONTROL,
        "untouched", "still says", None, None,
    ),
    "answer-kept-back-on-both-ports": (
        talked.talk(back=LAST_ANSWER_LOST, outcome="broken-off", cut=2),
        talked.control(back=LAST_ANSWER_LOST, outcome="broken-off", cut=2),
        "untouched", "still says", None, None,
    ),
    "answer-kept-back-without-nat": (
        plain(back=LAST_ANSWER_LOST, outcome="broken-off", cut=2), CONTROL,
        "blocked", "before the answer 200 comes back", None, None,
    ),
    "ended-by-a-changed-answer": (
        talked.talk(out=Heard(expected=1, kinds=("USER",)), back=Heard(expected=2, kinds=("220",))),
        CONTROL, "mangled", "in the answer after USER, something else arrives", "port", None,
    ),
    "ended-early": (
        talked.talk(out=Heard(expected=1, kinds=("USER",)), back=Heard(expected=1, kinds=("220",))),
        CONTROL, "not-tested", "it stops after USER, and does not on another port", None, None,
    ),
    "another-answers": (
        talked.talk(out=Heard(expected=2), back=Heard(expected=1, kinds=("220",)), source=None),
        CONTROL, "not-tested", "something else answers on TCP 21", None, None,
    ),
    "another-answers-what-cannot-be-read": (
        talked.unheard(outcome="broken-off", back=Heard(faults=("it cannot be read",))), CONTROL,
        "not-tested", "something else answers on TCP 21", None, None,
    ),
    "fault": (
        talked.talk(out=DAMAGED), CONTROL, "mangled", "Content-Length: 9", "port", None,
    ),
    "fault-by-content": (
        talked.talk(out=DAMAGED), talked.control(out=DAMAGED),
        "mangled", "Content-Length: 9", "content", None,
    ),
    "rest-changed": (
        talked.talk(out=talked.heard(said(KEPT), changed=True)), CONTROL,
        "mangled", "more than addresses", "port", None,
    ),
    "half-of-the-fields": (
        talked.talk(*HALF, protocol="h323", dialogue="h323", port=1720), CONTROL,
        "mangled", "h245Address was rewritten, and sourceCallSignalAddress was not", "port", None,
    ),
    "half-of-the-messages": (
        talked.talk(said(EDITED), said(KEPT)), CONTROL, "mangled", "not in another", "port", None,
    ),
    "half-of-sip": (
        sip(contact="edited", c="kept", m="kept"), None, "mangled", "was not", None, None,
    ),
    "its-port-alone": (
        talked.talk(said(f"{OURS}:1")), CONTROL, "mangled", "PORT was changed", "port", None,
    ),
    "changed-without-translation": (
        plain(out=talked.heard(said(EDITED))), CONTROL, "mangled", "PORT was changed", "port", None,
    ),
    "call-id-not-given-back": (
        call_id("4660", "49813", "49813"), CONTROL, "mangled", "names call 49813", "port", None,
    ),
    "fault-in-the-answer": (
        talked.talk(back=msgspec.structs.replace(BACK, faults=("it cannot be read",))), CONTROL,
        "mangled", "in the answer, it cannot be read", "port", None,
    ),
    "answer-changed": (
        talked.talk(back=msgspec.structs.replace(BACK, changed=True)), CONTROL,
        "mangled", "changed in the answer", "port", None,
    ),
    "answer-changed-on-both": (
        talked.talk(back=msgspec.structs.replace(BACK, changed=True)),
        talked.control(back=msgspec.structs.replace(BACK, changed=True)),
        "untouched", "still says", None, None,
    ),
    "address-in-the-answer": (
        talked.talk(back=msgspec.structs.replace(
            BACK, said=(said("10.9.9.9:1024", f"{SERVER}:1024", "227"),))), CONTROL,
        "mangled", "227 was changed to 10.9.9.9", "port", None,
    ),
    "port-in-the-answer": (
        talked.talk(back=msgspec.structs.replace(
            BACK, said=(said(f"{SERVER}:7", f"{SERVER}:1024", "227"),))), CONTROL,
        "untouched", "still says", None, None,
    ),
    "our-address-in-the-answer": (
        talked.talk(back=msgspec.structs.replace(BACK, said=(*BACK.said, said(KEPT, EDITED)))),
        talked.control(back=msgspec.structs.replace(BACK, said=(*BACK.said, said(EDITED)))),
        "untouched", "still says", None, None,
    ),
    "blocked": (
        talked.unheard(), CONTROL, "blocked", "nothing of it arrives on TCP 21", None, None,
    ),
    "blocked-message": (
        talked.unheard(outcome="broken-off", back=BACK), CONTROL,
        "blocked", "no whole message of it arrives on TCP 21", None, None,
    ),
    "blocked-invitation": (
        talked.talk(said(None), outcome="broken-off", tries=9,
                    out=talked.heard(said(None), kinds=KINDS[:2])), CONTROL,
        "blocked", "PORT does not arrive on TCP 21", None, None,
    ),
    "not-a-whole-message": (
        talked.unheard(unread=19), CONTROL, "mangled", "not a whole message", "port", None,
    ),
    "not-a-whole-message-in-the-middle": (
        talked.talk(said(None), outcome="broken-off", cut=2, unread=25,
                    out=talked.heard(said(None), kinds=KINDS[:2])), CONTROL,
        "mangled", "not a whole message", "port", None,
    ),
    "not-a-whole-message-on-either-port": (
        talked.unheard(unread=19), talked.unheard(aim="control", unread=19),
        "mangled", "not a whole message", "content", None,
    ),
    "a-message-that-lost-its-label": (
        talked.unheard(0, outcome="talked", unread=168, back=BACK), CONTROL,
        "mangled", "not a whole message", "port", None,
    ),
    "a-part-of-a-message-and-too-few-tries": (
        talked.unheard(5, unread=19), CONTROL, "not-tested", "may be loss", None, None,
    ),
    "ended-in-the-middle": (
        talked.unheard(0, outcome="broken-off", cut=2), CONTROL,
        "blocked", "ended in its middle each time, and one to another port is not", None, None,
    ),
    "ended-at-the-invitation": (
        talked.talk(said(None), outcome="broken-off", cut=2,
                    out=talked.heard(said(None), kinds=KINDS[:2])), CONTROL,
        "blocked", "PORT does not arrive; the connection to TCP 21 is ended", None, None,
    ),
    "ended-at-the-answer": (
        talked.talk(outcome="broken-off", cut=3, out=Heard(expected=1, kinds=KINDS[:1])), CONTROL,
        "blocked", "it stops after USER; the connection", None, None,
    ),
    "ended-once": (
        talked.unheard(0, outcome="broken-off", cut=1), CONTROL,
        "not-tested", "ended once, which may be chance", None, None,
    ),
    "ended-on-either-port": (
        talked.unheard(0, outcome="broken-off", cut=2),
        talked.control(outcome="broken-off", cut=2),
        "not-tested", "and so is one to another port", None, None,
    ),
    "stops-for-want-of-an-answer": (
        talked.talk(outcome="broken-off", tries=9, out=Heard(expected=1, kinds=KINDS[:1])),
        CONTROL, "blocked", "it stops after USER on TCP 21, and not on another port", None, None,
    ),
    "lost": (talked.unheard(5), CONTROL, "not-tested", "may be loss", None, None),
    "count-unknown": (talked.unheard(0), CONTROL, "not-tested", "may be loss", None, None),
    "blocked-without-control": (
        talked.unheard(), None, "not-tested", "on another port nothing", None, None,
    ),
    "blocked-everywhere": (
        talked.unheard(), talked.unheard(aim="control"),
        "not-tested", "on another port nothing", None, None,
    ),
    "refused": (
        talked.unheard(outcome="refused"), CONTROL, "not-tested", "was refused", None, None,
    ),
    "unreachable-port": (
        talked.unheard(outcome="unreachable"), CONTROL, "not-tested", "unreachable", None, None,
    ),
    "kept-here": (
        talked.unheard(outcome="local-error"), CONTROL, "not-tested", "this computer", None, None,
    ),
    "untested": (
        talked.unheard(outcome="untested", untested="no IPv6"), CONTROL,
        "not-tested", "no IPv6", None, None,
    ),
    "problem": (
        talked.talk(untested="the control connection was lost"), CONTROL,
        "not-tested", "connection was lost", None, None,
    ),
    "nobody-followed": (
        talked.talk(said(EDITED)), CONTROL, "not-tested", "nobody went there", None, None,
    ),
    "not-followed-for-limits": (
        talked.talk(said(EDITED), followed=talked.followed(refused="limit")), CONTROL,
        "not-tested", "did not go there: limit", None, None,
    ),
    "followed-and-lost": (
        talked.talk(said(EDITED), followed=talked.followed(*silent(3))), CONTROL,
        "not-tested", "not known", None, None,
    ),
    "refused-once": (
        talked.talk(said(EDITED), followed=talked.followed(*tries("refused"))), CONTROL,
        "not-tested", "not known", None, None,
    ),
    "answered-elsewhere": (
        talked.talk(said(EDITED), followed=talked.followed(*tries("answered"))), CONTROL,
        "not-tested", "nothing arrived here", None, None,
    ),
    "own-address-unknown": (
        talked.talk(local=None), CONTROL, "not-tested", "not known", None, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_verdicts(name: str) -> None:
    own, control, verdict, reason, acts_on, pinhole = CASES[name]
    judged = judge(own, control)
    assert (judged.verdict, judged.acts_on, judged.pinhole) == (verdict, acts_on, pinhole)
    assert reason in judged.reason


def test_every_verdict_is_in_the_table() -> None:
    assert {case[2] for case in CASES.values()} == set(WORST_FIRST)


def test_of_several_ways_in_the_one_that_is_shut_is_shown() -> None:
    media = f"{PUBLIC}:20003"
    carried = (said(EDITED), said(media, f"{OURS}:20003", "mediaChannel"))
    shut = talked.followed(*silent(9), target=media, field="mediaChannel")
    judged = judge(talked.talk(*carried, followed=(*REACHED, *shut)), CONTROL)
    assert (judged.verdict, judged.field, judged.received) == (
        "edited-unreachable", "mediaChannel", media,
    )  # fmt: skip
    assert judged.reason == f"rewritten to {media}; nobody gets in there"


def test_what_is_shown_is_where_somebody_goes() -> None:
    socket = said(SEEN, SOCKET, "sourceCallSignalAddress", announced=False)
    judged = judge(talked.talk(socket, said(EDITED), followed=REACHED), CONTROL)
    assert (judged.field, judged.sent, judged.received) == ("PORT", KEPT, EDITED)
    call = judge(call_id("4660", "49813", "4660"), None)
    assert (call.field, call.sent, call.received) == ("Call ID", "4660", "49813")


def test_only_the_own_address_is_touched() -> None:
    edited = talked.talk(said(EDITED), SPARED, followed=REACHED)
    assert judge(edited, CONTROL).own_address_only is True
    both = talked.talk(said(EDITED), said(EDITED, f"{SERVER}:1720", "dest"), followed=REACHED)
    assert judge(both, CONTROL).own_address_only is False
    assert judge(talked.talk(said(EDITED), followed=REACHED), CONTROL).own_address_only is None
    assert judge(talked.talk(SPARED, said(KEPT)), CONTROL).own_address_only is None


def test_a_kept_public_address_that_is_reached_needs_no_editor() -> None:
    own = talked.talk(source=f"{OURS}:50000", followed=REACHED)
    facts = Facts(HELD)
    seen = Seen(frozenset({OURS}), True, ())
    assert dialogue.judge(facts, own, CONTROL, seen).verdict == "not-needed"
    shut = msgspec.structs.replace(own, followed=SHUT)
    assert dialogue.judge(facts, shut, CONTROL, seen).verdict == "untouched"


@pytest.mark.parametrize("state", ["blocked", "refused", "intercepted", "altered"])
def test_a_port_that_is_shut_says_nothing_of_messages(state: Any) -> None:
    port = Port(transport="tcp", direction="outbound", port=21, state=state)
    assert judge(talked.unheard(), CONTROL, ports=(port,)).verdict == "not-tested"
    others = (
        msgspec.structs.replace(port, port=22),
        msgspec.structs.replace(port, direction="inbound"),
        msgspec.structs.replace(port, transport="udp"),
        msgspec.structs.replace(port, state="open"),
    )
    assert judge(talked.unheard(), CONTROL, ports=others).verdict == "blocked"


@pytest.mark.parametrize(
    "circumstance", [measured.control(confirmed_at_end=False), measured.loss(80),
                     measured.ledger(complete=False)],
)  # fmt: skip
def test_no_blame_where_silence_has_other_reasons(circumstance: AnyObservation) -> None:
    assert judge(talked.unheard(), CONTROL, circumstance).verdict == "not-tested"
    shut = talked.talk(said(EDITED), followed=SHUT)
    assert judge(shut, CONTROL, circumstance).verdict == "not-tested"


def test_whether_there_is_a_nat_may_be_known_from_elsewhere() -> None:
    own = talked.talk(source=None)
    assert judge(own, CONTROL).verdict == "untouched"
    assert judge(own, CONTROL, translated=False).verdict == "not-needed"
    assert judge(own, CONTROL, translated=None).verdict == "not-tested"


def test_ipsec_has_no_address_to_rewrite_and_others_that_have_none_say_nothing() -> None:
    ipsec = talked.talk(
        out=talked.heard(), protocol="ipsec", dialogue="ipsec", transport="udp", port=500
    )
    assert judge(ipsec, None).verdict == "untouched"
    assert judge(msgspec.structs.replace(ipsec, source=SOCKET), None).verdict == "not-needed"
    there = talked.control(out=talked.heard(), dialogue="ftp-pasv")
    passive = judge(talked.talk(out=talked.heard(), dialogue="ftp-pasv"), there)
    assert (passive.verdict, passive.quiet) == ("not-needed", True)


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("192.0.2.1:21", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("[fe80::1%eth0]:1", "fe80::1"),
        ("[2001:db8::1]:21", "2001:db8::1"), ("2001:DB8::1", "2001:db8::1"), ("4660", ""),
        (":4660", ""), ("", ""), ("example.net:21", "example.net"),
    ],
)  # fmt: skip
def test_addresses(place: str, address: str) -> None:
    assert address_of(place) == address


# ---- anything that may be stated ----

PLACES = st.sampled_from(
    [KEPT, EDITED, ELSEWHERE, SOCKET, SEEN, OURS, PUBLIC, "4660", "x", "", "["]
)
SAID = st.builds(
    said,
    arrived=st.none() | PLACES,
    sent=PLACES,
    field=st.sampled_from(["PORT", "Via", "c=", "Call ID", "Peer's Call ID", "From"]),
    announced=st.booleans(),
)
HEARD = st.builds(
    Heard,
    expected=st.integers(0, 4),
    kinds=st.lists(st.sampled_from(KINDS), max_size=4).map(tuple),
    said=st.lists(SAID, max_size=3).map(tuple),
    changed=st.booleans(),
    faults=st.sampled_from([(), (), ("x" * 500,)]),
)
FOLLOWED = st.sampled_from([(), REACHED, SHUT, UNPROVEN, talked.followed(*silent(2))])
TALKS = st.fixed_dictionaries(
    {
        "outcome": st.sampled_from(
            ["talked", "talked", "broken-off", "refused", "unreachable", "silent", "local-error",
             "untested"]
        ),
        "local": st.none() | PLACES,
        "source": st.none() | PLACES,
        "out": HEARD,
        "back": HEARD,
        "followed": FOLLOWED,
        "tries": st.integers(0, 16),
        "untested": st.sampled_from(["", "", "no server"]),
        "protocol": st.sampled_from(["ftp", "pptp", "sip", "ipsec", "later"]),
    }
).map(lambda given: talked.talk(**given))  # fmt: skip


@given(TALKS, st.none() | TALKS, st.sampled_from([True, False, None]))
def test_any_talk_gives_a_verdict_and_why(
    own: Talk, control: Talk | None, translated: bool | None
) -> None:
    judged = judge(own, control, translated=translated)
    assert judged.verdict in WORST_FIRST
    assert judged.reason
    assert len(judged.reason) < 400
    assert own.id in judged.evidence
    if own.untested or own.outcome in ("untested", "local-error"):
        assert judged.verdict == "not-tested"
    if judged.verdict in ("edited", "edited-unreachable", "untouched", "not-needed"):
        assert own.out.kinds
    if judged.verdict == "blocked":
        assert control is not None
        assert control.out.kinds
    if judged.pinhole:
        assert all(each.heard for each in own.followed)


def test_who_is_not_told_what_arrived_knows_of_nobody_else() -> None:
    """The answers came, and the control connection was lost before it could say more."""
    said_back = Heard(expected=1, kinds=("220",))
    own = talked.talk(out=Heard(expected=2), back=said_back, source=None)
    judged = judge(own, CONTROL, measured.control(confirmed_at_end=False))
    assert (judged.verdict, "something else" in judged.reason) == ("not-tested", False)


@given(TALKS, TALKS)
def test_an_unconfirmed_server_never_makes_anything_blocked_or_shut(
    own: Talk, control: Talk
) -> None:
    judged = judge(own, control, measured.control(confirmed_at_end=False))
    assert judged.verdict != "blocked"
