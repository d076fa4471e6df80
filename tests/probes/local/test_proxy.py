"""The proxies, from real environments and from odd ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.local.proxy import proxies, system_proxy, without_credentials

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other.example:1"}, PROXY),
        ({"HTTPS_PROXY": "http://other.example:1", "https_proxy": PROXY}, PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": ""}, None),
        ({"https_proxy": "  "}, None),
        ({"all_proxy": PROXY}, PROXY),
        ({"http_proxy": PROXY}, None),
        ({"https_proxy": "proxy.example:3128"}, PROXY),
        ({"https_proxy": PROXY + "/"}, PROXY),
        ({"https_proxy": "http://proxy.example"}, "http://proxy.example"),
        ({"https_proxy": "http://proxy.example:"}, "http://proxy.example"),
        ({"https_proxy": "HTTPS://proxy.example:443"}, "https://proxy.example:443"),
        ({"https_proxy": "http://[2001:db8::1]:3128"}, "http://[2001:db8::1]:3128"),
        (
            {"https_proxy": "http://me:p%40ss@proxy.example:3128"},
            "http://me:p%40ss@proxy.example:3128",
        ),
        ({"https_proxy": "socks5://proxy.example:1080"}, None),
        ({"https_proxy": "http://proxy.example:port"}, None),
        ({"https_proxy": "http://proxy.example:99999"}, None),
        ({"https_proxy": "http://proxy.example:0"}, None),
        ({"https_proxy": "http://[::1"}, None),
        ({"https_proxy": "http://"}, None),
        ({"https_proxy": "http://pro xy.example"}, None),
        ({"https_proxy": "http://proxy.example\r\nX: y"}, None),
        ({"https_proxy": "DIRECT"}, "http://DIRECT"),
    ],
)
def test_the_proxy_for_tls(environ: dict[str, str], expected: str | None) -> None:
    assert system_proxy("echo.example", environ) == expected


@pytest.mark.parametrize(
    ("exceptions", "host", "excepted"),
    [
        ("*", "echo.example", True),
        ("echo.example", "echo.example", True),
        ("ECHO.example", "Echo.Example.", True),
        ("other.example, .example", "echo.example", True),
        ("example", "echo.example", True),
        ("ample", "echo.example", False),
        ("cho.example", "echo.example", False),
        ("192.0.2.0/24", "192.0.2.9", True),
        ("192.0.2.0/24", "198.51.100.9", False),
        ("192.0.2.0/24", "echo.example", False),
        ("2001:db8::/32", "2001:db8::9", True),
        ("::1", "::1", True),
        ("", "echo.example", False),
        (",,/,", "echo.example", False),
    ],
)
def test_exceptions(exceptions: str, host: str, excepted: bool) -> None:
    found = system_proxy(host, {"https_proxy": PROXY, "no_proxy": exceptions})
    assert found == (None if excepted else PROXY)


def test_the_real_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("no_proxy", "local.example")
    assert system_proxy("echo.example") == "http://me:secret@proxy.example:3128"
    assert system_proxy("local.example") is None
    assert proxies()["https"] == PROXY


def test_an_environment_without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    found = system_proxy("echo.example")
    assert found is None or found.startswith("http")  # Windows and macOS have settings too


def test_all_proxies_are_listed_without_credentials_or_exceptions() -> None:
    environ = {
        "https_proxy": "http://me:secret@proxy.example:3128",
        "ALL_PROXY": "socks5://me:secret@socks.example:1080",
        "no_proxy": "intranet.example",
        "_proxy": "nonsense",
        "PATH": "/bin",
    }
    assert proxies(environ) == {"all": "socks5://socks.example:1080", "https": PROXY}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (PROXY, PROXY),
        ("proxy.example:3128", "proxy.example:3128"),
        ("me:secret@proxy.example:3128", "proxy.example:3128"),
        ("http://me:sec/ret@proxy.example:3128/", PROXY),
        ("http://proxy.example:3128/?token=secret", PROXY),
        ("http://me:secret", "http://me"),
        ("http://me:secret%40proxy.example", "http://me"),
        ("http://me:secret@[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
        ("http:me:secret@proxy.example", "proxy.example"),
        ("me:secret@http://proxy.example", "http"),
        ("http://me:secret@", ""),
        ("", ""),
    ],
)
def test_only_the_place_is_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@given(user=st.text(max_size=20), password=st.text(max_size=20))
def test_no_user_name_and_password_survive(user: str, password: str) -> None:
    assert without_credentials(f"http://{user}:{password}@proxy.example:3128") == PROXY


@given(st.text() | st.from_regex(r"(https?|socks5)?(://)?[\w@:\[\]/.%?#-]*"), st.text())
def test_no_text_is_an_error(url: str, exceptions: str) -> None:
    environ = {"https_proxy": url, "no_proxy": exceptions}
    usable = system_proxy("echo.example", environ)
    assert usable is None or usable.isprintable()
    shown = without_credentials(url)
    assert shown.isprintable()
    assert "@" not in shown
    assert len(shown) <= 200
    assert without_credentials(shown) == shown
