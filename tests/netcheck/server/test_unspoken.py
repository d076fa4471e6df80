"""Ports that are missing, in one line."""

from netcheck.server.unspoken import Unspoken


def test_nothing_missing_is_no_line() -> None:
    assert Unspoken().in_words(1) == []


def test_one_line_for_all_ports_reasons_and_addresses() -> None:
    missing = Unspoken()
    for address in ("192.0.2.1", "192.0.2.2"):
        for port in (389, 21):
            missing.add(address, ("tcp", port), "needs more privilege")
        missing.add(address, ("udp", 500), "needs more privilege")
    missing.add("192.0.2.2", ("tcp", 6667), "taken by another program")
    assert missing.in_words(2) == [
        "other protocols on TCP 21 and 389, UDP 500 (needs more privilege); "
        "TCP 6667 on 192.0.2.2 (taken by another program)"
    ]
