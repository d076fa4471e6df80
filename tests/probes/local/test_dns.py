"""The name lookup, against a real name server on the loopback."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.local.dns import Service, host_name, in_service_order, look_up
from tests.probes.local.name_server import always, serving, zone

NAME = "echo.test"
PLAIN = zone(A=[f"{NAME}. 192.0.2.7"], AAAA=[f"{NAME}. 2001:db8::7"])


def tells(*addresses: str) -> Callable[[str], Sequence[str]]:
    """An operating system whose resolver answers at once, and never leaves the loopback."""
    return lambda _name: addresses


def fails(code: int, text: str = "as told") -> Callable[[str], Sequence[str]]:
    def ask(_name: str) -> Sequence[str]:
        raise socket.gaierror(code, text)

    return ask


def silent(_query: dns.message.Message) -> None:
    return None


async def test_a_name_is_asked_of_the_system_and_of_the_name_servers() -> None:
    async with serving(PLAIN) as server:
        found = await look_up(
            NAME,
            at_s=time.monotonic,
            resolver=server.resolver(),
            ask_system=tells("192.0.2.1", "2001:db8::1", "192.0.2.1"),
        )
    assert found.outcome == found.dns_outcome == "resolved"
    assert found.addresses == ("192.0.2.1", "2001:db8::1")
    assert found.dns_addresses == ("2001:db8::7", "192.0.2.7")
    assert found.invented is None
    assert found.service == ()
    assert found.detail == ""
    assert (found.id, found.name) == ("dns", NAME)


async def test_the_real_system_resolver_knows_localhost() -> None:
    async with serving(PLAIN) as server:
        found = await look_up("localhost", at_s=time.monotonic, resolver=server.resolver())
    assert found.outcome == "resolved"
    assert set(found.addresses) <= {"127.0.0.1", "::1"}
    assert found.dns_outcome == "no-such-name"


async def test_times_are_those_of_the_check() -> None:
    ticks = iter([12.0, 12.5])
    async with serving(PLAIN) as server:
        found = await look_up(
            NAME, at_s=lambda: next(ticks), resolver=server.resolver(), ask_system=tells("::1")
        )
    assert (found.at_s, found.took_s) == (12.0, 0.5)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (socket.EAI_NONAME, "no-such-name"),
        (11004, "no-address"),
        (socket.EAI_AGAIN, "failed"),
        (socket.EAI_FAIL, "failed"),
    ],
)
async def test_an_error_of_the_system_becomes_an_outcome(code: int, outcome: str) -> None:
    async with serving(PLAIN) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=fails(code)
        )
    assert found.outcome == outcome
    assert "as told" in found.detail
    assert found.dns_outcome == "resolved"


@pytest.mark.parametrize("error", [OSError("odd"), ValueError("odd"), UnicodeError("odd")])
async def test_nothing_that_the_system_raises_escapes(error: Exception) -> None:
    def ask(_name: str) -> Sequence[str]:
        raise error

    async with serving(PLAIN) as server:
        found = await look_up(NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=ask)
    assert found.outcome == "failed"
    assert "odd" in found.detail


async def test_a_name_that_does_not_exist() -> None:
    async with serving(zone()) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells()
        )
    assert found.outcome == "no-address"
    assert found.dns_outcome == "no-such-name"
    assert found.dns_addresses == ()


async def test_a_name_without_addresses() -> None:
    async with serving(zone(TXT=[f"{NAME}. hello"])) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert found.dns_outcome == "no-address"


async def test_one_address_family_is_enough() -> None:
    async with serving(zone(A=[f"{NAME}. 192.0.2.7"])) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert (found.dns_outcome, found.dns_addresses) == ("resolved", ("192.0.2.7",))


@pytest.mark.parametrize(
    "rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.YXDOMAIN]
)
async def test_a_server_that_declines(rcode: dns.rcode.Rcode) -> None:
    async with serving(always(rcode)) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert found.outcome == "resolved"
    assert found.dns_outcome == "failed"
    assert found.detail.startswith("Name servers: ")


async def test_a_silent_server_costs_the_patience_and_no_more() -> None:
    async with serving(silent) as server:
        found = await look_up(
            NAME,
            at_s=time.monotonic,
            service=True,
            resolver=server.resolver(),
            ask_system=tells("::1"),
            patience_s=0.4,
        )
    assert found.outcome == "resolved"
    assert found.dns_outcome == "silent"
    assert 0.4 <= found.took_s < 1.5


@pytest.mark.parametrize("garbage", [b"", b"\0", b"\xff" * 40, b"HTTP/1.0 400 Bad Request\r\n\r\n"])
async def test_garbage_is_no_answer(garbage: bytes) -> None:
    async with serving(lambda _query: garbage) as server:
        found = await look_up(
            NAME,
            at_s=time.monotonic,
            service=True,
            resolver=server.resolver(),
            ask_system=tells("::1"),
            patience_s=0.3,
        )
    assert found.dns_outcome == "silent"
    assert found.invented is None


async def test_an_answer_to_another_question_is_no_answer() -> None:
    def rule(_query: dns.message.Message) -> bytes:
        other = dns.message.make_response(dns.message.make_query("other.test.", "A"))
        return other.to_wire()

    async with serving(rule) as server:
        found = await look_up(
            NAME,
            at_s=time.monotonic,
            resolver=server.resolver(),
            ask_system=tells("::1"),
            patience_s=0.3,
        )
    assert found.dns_outcome == "silent"


async def test_a_truncated_answer_is_asked_for_again_by_tcp() -> None:
    def rule(query: dns.message.Message) -> dns.message.Message:
        answer = PLAIN(query)
        assert isinstance(answer, dns.message.Message)
        answer.flags |= dns.flags.TC
        return answer

    async with serving(rule) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert found.dns_addresses == ("2001:db8::7", "192.0.2.7")
    assert server.asked_by_tcp >= 2


async def test_at_most_sixteen_addresses_are_kept() -> None:
    many = [f"192.0.2.{i}" for i in range(1, 30)]
    async with serving(zone(A=[f"{NAME}. {address}" for address in many])) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells(*many)
        )
    assert found.addresses == tuple(many[:16])
    assert len(found.dns_addresses) == 16


async def test_a_resolver_that_invents_answers_is_revealed() -> None:
    def rule(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.answer.append(
            dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "198.51.100.66")
        )
        return response

    async with serving(rule) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert found.invented == "198.51.100.66"
    impossible = [name for name, _ in server.asked if name.endswith(".invalid.")]
    assert [len(name) for name in impossible] == [32 + len(".invalid.")]


async def test_silence_about_the_impossible_name_delays_nothing() -> None:
    def rule(query: dns.message.Message) -> dns.message.Message | bytes | None:
        if query.question[0].name.to_text().endswith(".invalid."):
            return None
        return PLAIN(query)

    async with serving(rule) as server:
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert found.dns_outcome == "resolved"
    assert found.invented is None
    assert found.took_s < 1.0  # of three


async def test_the_service_is_ordered_and_the_root_is_no_target() -> None:
    service = f"_netcheck._tcp.{NAME}."
    rule = zone(
        A=[f"{NAME}. 192.0.2.7"],
        SRV=[
            f"{service} 20 0 8443 last.test.",
            f"{service} 10 0 443 first.test.",
            f"{service} 5 0 443 .",
            f"{service} 6 0 0 portless.test.",
        ],
    )
    async with serving(rule) as server:
        found = await look_up(
            NAME,
            at_s=time.monotonic,
            service=True,
            resolver=server.resolver(),
            ask_system=tells("::1"),
        )
    assert found.service == ("first.test:443", "last.test:8443")


async def test_the_service_is_asked_for_only_when_wanted() -> None:
    async with serving(PLAIN) as server:
        await look_up(
            NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert "SRV" not in {kind for _, kind in server.asked}


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..b", ".a", "a" * 64, "a." * 130 + "a", "ä" * 64, "a b", "a\0b", "☃.☃\u200e"],
)
async def test_what_is_no_host_name_fails_without_a_question(name: str) -> None:
    async with serving(PLAIN) as server:
        found = await look_up(
            name, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells("::1")
        )
    assert found.outcome == "failed"
    assert found.dns_outcome == "untested"
    assert found.detail.startswith("This is not a host name: ")
    assert server.asked == []


async def test_an_international_name_is_asked_in_ascii() -> None:
    system: list[str] = []

    def ask(name: str) -> Sequence[str]:
        system.append(name)
        return ["::1"]

    async with serving(zone(A=["xn--strae-oqa.test. 192.0.2.7"])) as server:
        found = await look_up(
            "Straße.test", at_s=time.monotonic, resolver=server.resolver(), ask_system=ask
        )
    assert found.dns_addresses == ("192.0.2.7",)
    assert system == ["xn--strae-oqa.test"]


async def test_a_system_that_hangs_is_not_waited_for() -> None:
    release = threading.Event()
    returned = threading.Event()

    def ask(_name: str) -> Sequence[str]:
        release.wait(30)
        returned.set()
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    async with serving(PLAIN) as server:
        found = await look_up(
            NAME,
            at_s=time.monotonic,
            resolver=server.resolver(),
            ask_system=ask,
            patience_s=0.3,
        )
    assert found.outcome == "silent"
    assert found.dns_outcome == "resolved"
    assert found.took_s < 2
    # The late result comes while the loop still runs, and nobody minds.
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, c: complaints.append(c))
    release.set()
    await asyncio.to_thread(returned.wait, 10)
    lookups = [t for t in threading.enumerate() if t.name == "name-lookup"]
    for thread in lookups:
        await asyncio.to_thread(thread.join, 10)
    await asyncio.sleep(0)
    gc.collect()
    assert complaints == []


def test_a_hanging_system_delays_neither_the_loop_nor_the_program() -> None:
    """asyncio.run() and the interpreter both end while getaddrinfo still hangs."""
    program = """
import asyncio, threading, time
import dns.asyncresolver
from probes.local.dns import look_up

def hang(_name):
    threading.Event().wait()

resolver = dns.asyncresolver.Resolver(configure=False)
print(asyncio.run(look_up(
    "echo.test", at_s=time.monotonic, resolver=resolver, ask_system=hang, patience_s=0.2
)).outcome)
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "silent\n", "")


async def test_a_result_after_the_end_of_the_loop_is_dropped() -> None:
    release = threading.Event()
    errors: list[object] = []
    hook, threading.excepthook = threading.excepthook, errors.append

    def ask(_name: str) -> Sequence[str]:
        release.wait(30)
        return ["192.0.2.1"]

    async def once() -> str:
        resolver = dns.asyncresolver.Resolver(configure=False)
        found = await look_up(
            NAME, at_s=time.monotonic, resolver=resolver, ask_system=ask, patience_s=0.1
        )
        return found.outcome

    try:
        assert await asyncio.to_thread(asyncio.run, once()) == "silent"
        release.set()
        for thread in [t for t in threading.enumerate() if t.name == "name-lookup"]:
            await asyncio.to_thread(thread.join, 10)
    finally:
        threading.excepthook = hook
    assert errors == []


async def test_it_can_be_cancelled() -> None:
    async with serving(silent) as server:
        task = asyncio.create_task(
            look_up(NAME, at_s=time.monotonic, resolver=server.resolver(), ask_system=tells())
        )
        await server.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_without_name_servers_the_system_still_answers() -> None:
    found = await look_up(
        NAME,
        at_s=time.monotonic,
        resolver=dns.asyncresolver.Resolver(configure=False),
        ask_system=tells("192.0.2.1"),
    )
    assert (found.outcome, found.addresses) == ("resolved", ("192.0.2.1",))
    assert found.dns_outcome == "failed"


# -- host names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Echo.Test", "Echo.Test"),
        ("echo.test.", "echo.test."),
        ("_srv.echo-1.test", "_srv.echo-1.test"),
        ("bücher。test", "xn--bcher-kva.test"),
        ("a" * 63, "a" * 63),
        ("a." * 126 + "a", "a." * 126 + "a"),
    ],
)
def test_host_names(name: str, expected: str) -> None:
    assert host_name(name) == expected


@given(st.text(max_size=300) | st.from_regex(r"[\w.\-。]{0,80}"))
def test_any_text_is_a_host_name_or_a_value_error(name: str) -> None:
    try:
        host = host_name(name)
    except ValueError:
        return
    assert host.isascii()
    assert len(host.removesuffix(".")) <= 253
    assert host_name(host) == host


# -- the order of services -------------------------------------------------------------------------


def test_priority_goes_before_weight() -> None:
    records = [Service(2, 65535, 1, "b.test."), Service(1, 0, 1, "a.test.")]
    assert in_service_order(records) == ("a.test:1", "b.test:1")


def test_the_draw_follows_the_running_sum() -> None:
    records = [Service(0, 1, 1, "a."), Service(0, 3, 1, "b."), Service(0, 0, 1, "c.")]
    # The urn is c(0) a(1) b(3); 0 draws c, 1 draws a, 2..4 draw b.
    assert in_service_order(records, lambda low, _high: low)[0] == "c:1"
    assert in_service_order(records, lambda _low, _high: 1)[0] == "a:1"
    assert in_service_order(records, lambda _low, high: high)[0] == "b:1"


def test_weight_is_a_share_of_the_draws() -> None:
    dice = random.Random(2782)
    records = [Service(0, 10, 1, "a."), Service(0, 30, 1, "b.")]
    first = Counter(in_service_order(records, dice.randint)[0] for _ in range(4000))
    assert 0.70 < first["b:1"] / 4000 < 0.80


@pytest.mark.parametrize("target", [".", "", "a b.", "a\\.b.test.", "a/b.", "a" * 64 + "."])
def test_a_target_that_is_no_host_is_left_out(target: str) -> None:
    assert in_service_order([Service(0, 0, 443, target)]) == ()


@given(
    st.lists(
        st.builds(
            Service,
            st.integers(0, 65535),
            st.integers(0, 65535),
            st.integers(0, 65535),
            st.sampled_from(["a.", "b.", "c.test.", "."]),
        ),
        max_size=20,
    )
)
def test_services_are_few_unique_and_keep_their_priorities(records: list[Service]) -> None:
    ordered = in_service_order(records)
    assert len(ordered) == len(set(ordered)) <= 8
    usable = [r for r in records if r.port and r.target != "."]
    best: dict[str, int] = {}
    for record in usable:
        place = f"{record.target.removesuffix('.')}:{record.port}"
        best[place] = min(record.priority, best.get(place, 65535))
    assert [best[place] for place in ordered] == sorted(best.values())[:8]
