"""Whether a report speaks of a network."""

from __future__ import annotations

import msgspec
import pytest

from netcheck.report.answer import sentence
from netcheck.report.model import Report
from netcheck.report.scope import this_computer_alone
from netcheck.report.text import summary, warnings
from tests.netcheck.report.samples import all_good


def with_server(
    *addresses: str, embedded: bool = False, reached: bool = True, via_proxy: str | None = None
) -> Report:
    """A check by a computer that has 192.0.2.7 and fe80::7, with a server there."""
    whole = all_good()
    return msgspec.structs.replace(
        whole,
        host=msgspec.structs.replace(whole.host, addresses=["192.0.2.7", "fe80::7%eth0"]),
        server=msgspec.structs.replace(
            whole.server,
            addresses=list(addresses),
            embedded=embedded,
            reached=reached,
            via_proxy=via_proxy,
        ),
    )


ALONE = [
    with_server("127.0.0.1"),
    with_server("::1", "127.0.0.5"),
    with_server("192.0.2.7"),
    with_server("fe80::7%eth0"),
    with_server("198.51.100.5", embedded=True),
]
BEYOND = [
    with_server("198.51.100.5"),
    with_server("192.0.2.7", "198.51.100.5"),
    with_server(),
    with_server("a name"),
    with_server("127.0.0.1", reached=False),
    with_server("127.0.0.1", via_proxy="http://192.0.2.1:3128"),
]


@pytest.mark.parametrize("report", ALONE)
def test_nothing_is_said_about_a_network_that_nothing_went_through(report: Report) -> None:
    assert this_computer_alone(report)
    assert sentence(report).startswith("Only this computer was tested, not your network.")
    assert summary(report).endswith(" – on this computer alone.")
    assert any("not your network" in each for each in warnings(report))


@pytest.mark.parametrize("report", BEYOND)
def test_a_server_elsewhere_tells_about_the_network(report: Report) -> None:
    assert not this_computer_alone(report)
    assert not sentence(report).startswith("Only this computer")
    assert "on this computer alone" not in summary(report)
    assert not any("not your network" in each for each in warnings(report))
