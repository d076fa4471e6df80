"""The edges of each block, and what is no address."""

from __future__ import annotations

import pytest

from netcheck.address_kind import Kind, kind_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("100.63.255.255", "public"),
        ("100.64.0.0", "carrier"),
        ("100.127.255.255", "carrier"),
        ("100.128.0.0", "public"),
        ("10.255.255.255", "private"),
        ("172.15.255.255", "public"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", "public"),
        ("192.168.1.1", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd12::1", "private"),
        ("192.0.2.1", "public"),  # documentation, as in the lab
        ("2001:db8::1", "public"),
        ("fe80", None),
        ("", None),
        (None, None),
    ],
)
def test_the_kind_of_an_address(text: str | None, kind: Kind | None) -> None:
    assert kind_of(text) == kind
