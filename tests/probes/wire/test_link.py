"""Naming a server: every text gives a link, or one sentence that says what is wrong."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probes.errors import LinkError
from probes.wire.link import Link, is_address, parse

FINGERPRINT = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("echo.example.org", Link("echo.example.org")),
        ("  echo.example.org \n", Link("echo.example.org")),
        ("localhost", Link("localhost")),
        ("echo", Link("echo")),
        ("echo_1.example", Link("echo_1.example")),
        ("bücher.example", Link("bücher.example")),
        ("echo.example.org:443", Link("echo.example.org", (443,))),
        ("echo.example.org:8463,443", Link("echo.example.org", (8463, 443))),
        ("echo.example.org:443,443,80", Link("echo.example.org", (443, 80))),
        ("192.0.2.1", Link("192.0.2.1")),
        ("192.0.2.1:443", Link("192.0.2.1", (443,))),
        ("2001:db8::1", Link("2001:db8::1")),
        ("::1", Link("::1")),
        ("fe80::1%eth0", Link("fe80::1%eth0")),
        ("[2001:db8::1]", Link("2001:db8::1")),
        ("[2001:db8::1]:443", Link("2001:db8::1", (443,))),
        ("[fe80::1%eth0]:443", Link("fe80::1%eth0", (443,))),
        ("netcheck://echo.example.org", Link("echo.example.org")),
        ("netcheck://echo.example.org/", Link("echo.example.org")),
        ("NetCheck://echo.example.org:443", Link("echo.example.org", (443,))),
        (
            f"netcheck://192.0.2.1:8463,443#{FINGERPRINT}",
            Link("192.0.2.1", (8463, 443), FINGERPRINT),
        ),
        (
            f"netcheck://[2001:db8::1]:8463#{FINGERPRINT.upper()}",
            Link("2001:db8::1", (8463,), FINGERPRINT),
        ),
        (f"netcheck://echo/#{FINGERPRINT}", Link("echo", (), FINGERPRINT)),
        ("netcheck://192.0.2.1?also=192.0.2.2", Link("192.0.2.1", also=("192.0.2.2",))),
        ("netcheck://echo/?also=192.0.2.2", Link("echo", also=("192.0.2.2",))),
        (
            f"netcheck://192.0.2.1:8463?also=192.0.2.2,2001:DB8:0::6,192.0.2.2#{FINGERPRINT}",
            Link("192.0.2.1", (8463,), FINGERPRINT, ("192.0.2.2", "2001:db8::6")),
        ),
        (
            f"netcheck://[2001:db8::5]:8463,443?also=2001:db8::6#{FINGERPRINT}",
            Link("2001:db8::5", (8463, 443), FINGERPRINT, ("2001:db8::6",)),
        ),
        (
            "netcheck://echo#" + ":".join(FINGERPRINT[i : i + 2] for i in range(0, 64, 2)),
            Link("echo", (), FINGERPRINT),
        ),
        # As mails break it, and as commands and mails put it in quotes.
        (
            f"netcheck://echo:443\n?also=192.0.2.2#{FINGERPRINT[:20]}\n {FINGERPRINT[20:]}",
            Link("echo", (443,), FINGERPRINT, ("192.0.2.2",)),
        ),
        (f"'netcheck://echo#{FINGERPRINT}'", Link("echo", (), FINGERPRINT)),
        (f"<netcheck://echo#{FINGERPRINT}>", Link("echo", (), FINGERPRINT)),
        (
            f"  netcheck check --server 'netcheck://echo#{FINGERPRINT}'\n",
            Link("echo", (), FINGERPRINT),
        ),
    ],
)
def test_what_people_give_is_understood(text: str, link: Link) -> None:
    assert parse(text) == link


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("x" * 513, "longer than 512"),
        ("x" * 254, "is not a host"),
        ("https://echo.example.org", "not a netcheck link"),
        ("netcheck:echo.example.org", "is not a port"),
        ("netcheck://", "is not a host"),
        ("netcheck://:443", "is not a host"),
        ("netcheck://echo#", "64 hexadecimal digits"),
        (f"netcheck://echo#{FINGERPRINT[1:]}", "64 hexadecimal digits"),
        (f"netcheck://echo#{FINGERPRINT}0", "64 hexadecimal digits"),
        (f"netcheck://echo#{'g' * 64}", "64 hexadecimal digits"),
        (f"echo#{FINGERPRINT}", "is not a host"),
        ("echo example", "is not a host"),
        ("echo\0", "is not a host"),
        ("echo\n:443", "is not a host"),
        ("user@echo", "is not a host"),
        ("-option", "is not a host"),
        ("“echo”", "is not a host"),
        ("»", "is not a host"),
        ("echo/path", "is not a host"),
        ("echo?query", "is not a host"),
        ("192.0.2.1?also=192.0.2.2", "is not a host"),
        ("netcheck://echo?", "there must be also="),
        ("netcheck://echo?also", "there must be also="),
        ("netcheck://echo?also=", "there must be also="),
        ("netcheck://echo?also=name", "there must be also="),
        ("netcheck://echo?also=192.0.2.2,", "there must be also="),
        ("netcheck://echo?also=[2001:db8::6]", "there must be also="),
        ("netcheck://echo?also=fe80::1%eth0", "there must be also="),
        ("netcheck://echo?other=192.0.2.2", "there must be also="),
        ("netcheck://echo?also=192.0.2.2&also=192.0.2.3", "there must be also="),
        ("netcheck://echo?also=192.0.2.2?also=192.0.2.3", "there must be also="),
        ("netcheck://echo?also=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5", "1 to 4 IP addresses"),
        ("192.0.2.256", "is not a host"),
        ("192.0.2", "is not a host"),
        ("1234", "is not a host"),
        ("echo:", "An empty port"),
        ("echo:443,", "An empty port"),
        ("echo:0", "'0'"),
        ("echo:65536", "'65536'"),
        ("echo:-1", "'-1'"),
        ("echo:http", "'http'"),
        ("echo:４４３", "is not a port"),
        ("[2001:db8::1", "between the brackets"),
        ("[2001:db8::1]443", "between the brackets"),
        ("[echo]:443", "between the brackets"),
        ("[]", "between the brackets"),
        ("[2001:db8::1]:", "An empty port"),
        ("fe80::1%", "is not a port"),
        ("[fe80::1%eth0 eth1]", "between the brackets"),
        ("[fe80::1%eth0#1]", "between the brackets"),
        ("0.0.0.0", "no single computer's address"),
        ("0.0.0.0:8463", "no single computer's address"),
        ("[::]:8463", "no single computer's address"),
        ("255.255.255.255", "no single computer's address"),
        ("224.0.0.1", "no single computer's address"),
        ("netcheck://echo?also=192.0.2.2,224.0.0.1", "no single computer's address"),
        ("netcheck://echo?also=::", "no single computer's address"),
        (f"netcheck://echo#{FINGERPRINT} Regards", "64 hexadecimal digits"),
    ],
)
def test_what_cannot_be_understood_is_said(text: str, part: str) -> None:
    with pytest.raises(LinkError) as caught:
        parse(text)
    assert part in str(caught.value)
    assert_one_sentence(str(caught.value))


def assert_one_sentence(text: str) -> None:
    assert text.isprintable()
    assert text.endswith(".")
    assert len(text) < 300


ADDRESSES = (
    st.ip_addresses()
    .filter(lambda a: not a.is_unspecified and not a.is_multicast)
    .map(str)
    .filter(lambda a: a != "255.255.255.255")
)
HOSTS = st.one_of(
    ADDRESSES,
    st.from_regex(r"\A[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9-]{0,10}){0,3}\Z"),
)
LINKS = st.builds(
    Link,
    host=HOSTS,
    ports=st.lists(st.integers(1, 65535), unique=True, max_size=5).map(tuple),
    fingerprint=st.none() | st.from_regex(r"\A[0-9a-f]{64}\Z"),
    also=st.lists(ADDRESSES, unique=True, max_size=4).map(tuple),
)


@given(LINKS)
def test_a_link_is_read_as_it_was_written(link: Link) -> None:
    assert parse(str(link)) == link


@given(st.one_of(st.text(max_size=600), st.text("netchk:/[]#?=also%.,0189f-\n ", max_size=60)))
@example("netcheck://a\ud800")
@example("fe80::1%\x1b[31m")
def test_any_text_gives_a_link_or_one_sentence(text: str) -> None:
    try:
        link = parse(text)
    except LinkError as error:
        assert_one_sentence(str(error))
    else:
        assert parse(str(link)) == link
        assert link.host.isprintable()
        assert not set(link.host) & set(" /\\@[]#?,\"'<>")
        assert len(link.also) <= 4
        assert all(is_address(other) for other in link.also)
        assert all(1 <= port <= 65535 for port in link.ports)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", True),
        ("fe80::1%12", True),
        ("fe80::1%", False),
        ("fe80::1%a b", False),
        ("192.0.2.1%eth0", False),
        ("echo", False),
        ("", False),
    ],
)
def test_an_address_is_told_from_a_name(text: str, expected: bool) -> None:
    assert is_address(text) is expected
