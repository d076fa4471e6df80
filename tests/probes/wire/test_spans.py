"""Text with addresses in it: what is found, what is left, what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire.reading import FAULTS_MAX, READINGS_MAX, Carried
from probes.wire.spans import MARK, Spans

HERE = Carried(field="at", address="192.0.2.1", port=80)


def test_what_was_found_is_cut_out_where_it_stood() -> None:
    spans = Spans("test", "at 192.0.2.1 port 80, 6 bytes")
    spans.cut(22, 23)
    spans.carry(3, 12, HERE)
    spans.cut(18, 20)
    reading = spans.reading("KIND", b"label")
    assert (reading.kind, reading.label, reading.carried) == ("KIND", b"label", (HERE,))
    assert reading.rest == b"at \0 port \0, \0 bytes"
    assert reading.faults == ()


def test_addresses_are_told_in_their_order() -> None:
    spans = Spans("test", "ab")
    other = Carried(field="then", address="192.0.2.2")
    spans.carry(1, 2, other)
    spans.carry(0, 1, HERE)
    assert spans.reading("", None).carried == (HERE, other)


@given(st.text("ab0", max_size=6), st.text("ab0", max_size=6), st.data())
def test_no_two_texts_leave_the_same_unless_they_are(
    one: str, other: str, data: st.DataObject
) -> None:
    def left(text: str) -> tuple[bytes, list[str]]:
        spots = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4, unique=True)))
        cuts = list(zip(spots[::2], spots[1::2], strict=False))
        spans = Spans("test", text)
        for start, end in cuts:
            spans.cut(start, end)
        starts, ends = [0, *(end for _, end in cuts)], [*(s for s, _ in cuts), len(text)]
        return spans.reading("", None).rest, [text[a:b] for a, b in zip(starts, ends, strict=True)]

    (rest, kept), (other_rest, other_kept) = left(one), left(other)
    assert (rest == other_rest) == (kept == other_kept)


def test_a_mark_in_the_text_is_a_fault() -> None:
    assert Spans("test", f"a{MARK}").reading("", None).faults == ("a NUL byte in a text",)


@pytest.mark.parametrize(
    ("digits", "value", "fault"),
    [
        ("0", 0, None),
        ("255", 255, None),
        ("256", None, "is more than 255"),
        ("007", 7, "begins with a zero"),
        ("", None, "is no number"),
        ("-1", None, "is no number"),
        ("1_0", None, "is no number"),
        ("²", None, "is no number"),
        ("0" * 8000, None, "is no number"),
    ],
)
def test_numbers(digits: str, value: int | None, fault: str | None) -> None:
    spans = Spans("test", "")
    assert spans.number("it", digits, 255) == value
    faults = spans.reading("", None).faults
    assert [(f.startswith("it: "), f.endswith(fault or "")) for f in faults] == (
        [(True, True)] if fault else []
    )


def test_nobody_goes_to_port_0() -> None:
    spans = Spans("test", "")
    assert spans.port("it", "0") is None
    assert spans.reading("", None).faults == ("it: port 0",)
    assert (spans.port("it", "65535"), spans.port("it", "65536")) == (65535, None)


@pytest.mark.parametrize(
    ("host", "address", "faulty"),
    [
        ("192.168.77.2", "192.168.77.2", False),
        ("2001:DB8::0:5", "2001:db8::5", False),
        ("[2001:db8::5]", "2001:db8::5", False),
        ("host.example", None, False),
        ("", None, False),
        ("\xff", None, False),
        ("fe80::1%eth0", None, True),
        ("192.168.077.2", None, True),
        ("192.168.77", None, True),
        ("1:2", None, True),
    ],
)
def test_addresses(host: str, address: str | None, faulty: bool) -> None:
    spans = Spans("test", "")
    assert spans.address("it", host) == address
    assert bool(spans.reading("", None).faults) == faulty


def test_what_is_told_is_bounded() -> None:
    spans = Spans("test", "")
    for number in range(2 * FAULTS_MAX):
        spans.fault(str(number % (FAULTS_MAX + 3)))
    assert spans.reading("", None).faults == tuple(map(str, range(FAULTS_MAX)))
    for _ in range(READINGS_MAX):
        spans.carry(0, 0, HERE)
    with pytest.raises(WireError, match="more than 64"):
        spans.carry(0, 0, HERE)
