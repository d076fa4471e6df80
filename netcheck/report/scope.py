"""What a report can speak of: a network, or one computer alone (pure)."""

from __future__ import annotations

import ipaddress

from netcheck.report.model import Report


def this_computer_alone(report: Report) -> bool:
    """Whether nothing left this computer: the echo server was this program, or is reached by an
    address that is this computer's own."""
    if report.server.embedded:
        return True
    if not report.server.reached or report.server.via_proxy:
        return False
    own = {_plain(address) for address in report.host.addresses}
    there = [_plain(address) for address in report.server.addresses]
    return bool(there) and all(each in own or _loops_back(each) for each in there)


def _plain(address: str) -> str:
    return address.partition("%")[0].partition("/")[0]


def _loops_back(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
