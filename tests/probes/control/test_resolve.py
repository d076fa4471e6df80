"""Which service records may stand for the domain that the user named."""

import pytest

from probes.control.resolve import may_follow
from probes.wire.link import Link


@pytest.mark.parametrize(
    ("service", "within"),
    [
        ("echo.company.example:8463", True),
        ("company.example:443", True),
        ("ECHO.Company.Example.:8463", True),
        ("echo.other.example:8463", False),
        ("evilcompany.example:8463", False),
        ("198.51.100.5:8463", False),
    ],
)
def test_only_what_lies_within_the_domain(service: str, within: bool) -> None:
    assert may_follow(Link("company.example"), service, insecure=False) is within
    assert may_follow(Link("company.example", (), "ab" * 32), service, insecure=False)
    assert may_follow(Link("company.example"), service, insecure=True)
