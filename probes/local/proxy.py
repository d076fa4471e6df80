"""The proxies that this computer is set to use, from the environment or the system settings."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

MAX_SHOWN = 200

_URL_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?P<port>:[0-9]{1,5})?", re.ASCII)


def system_proxy(host: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The URL, credentials included, of the HTTP proxy for a TLS connection to ``host``.

    None if there is none, if ``host`` is an exception to it, or if it is a
    SOCKS proxy or malformed.  Windows may ask the name servers about the
    exceptions, so call this in a thread.  ``environ`` replaces both the
    environment and the system settings.
    """
    found, by_environment = _settings(environ)
    if _is_exception(host, found, by_environment):
        return None
    return _usable(found.get("https") or found.get("all") or "")


def proxies(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """All proxies, SOCKS too, by the scheme they serve; the URLs are fit to be shown."""
    found, _ = _settings(environ)
    return {
        scheme: shown
        for scheme, url in sorted(found.items())
        if scheme != "no" and (shown := without_credentials(url))
    }


def without_credentials(url: str) -> str:
    """The proxy's scheme, host and port, and nothing else, whatever the text may be."""
    scheme, separator, rest = url.partition("://")
    if not separator or not _URL_SCHEME.fullmatch(scheme):
        scheme, separator, rest = "", "", url
    # A password may hold any character, unescaped, so only the last '@' is sure to end it.
    place = re.split(r"[/?#\\]", rest.rpartition("@")[2], maxsplit=1)[0]
    if not _HOST_AND_PORT.fullmatch(place):
        # What follows the colon is no port: it may be a password that lacks its host.
        place = place.partition(":")[0]
    shown = f"{scheme}{separator}{place}" if place else ""
    return "".join(c for c in shown if c.isprintable())[:MAX_SHOWN]


def _settings(environ: Mapping[str, str] | None) -> tuple[dict[str, str], bool]:
    """The proxies by scheme, "no" being the exceptions, and whether the environment set them."""
    found = _of_environment(os.environ if environ is None else environ)
    if found or environ is not None:
        return found, True
    import urllib.request

    try:
        return urllib.request.getproxies(), False
    except Exception:  # a damaged registry or preference file is no reason to fail
        return {}, False


def _of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``<scheme>_proxy`` in either case; small letters win, and an empty value unsets."""
    found: dict[str, str] = {}
    for name, value in sorted(environ.items(), key=lambda item: item[0].islower()):
        scheme, suffix = name.lower()[:-6], name.lower()[-6:]
        if suffix != "_proxy" or not scheme:
            continue
        if value.strip():
            found[scheme] = value.strip()
        elif name.islower():
            found.pop(scheme, None)
    return found


def _is_exception(host: str, found: dict[str, str], by_environment: bool) -> bool:
    if by_environment:
        return any(_covers(entry, host) for entry in found.get("no", "").split(","))
    import urllib.request

    try:
        return bool(urllib.request.proxy_bypass(host))
    except Exception:  # a malformed list excepts nothing
        return False


def _covers(entry: str, host: str) -> bool:
    """Whether one entry of ``no_proxy`` (a name, an address, a network, or ``*``) is about us."""
    name = entry.strip().lower().lstrip(".")
    host = host.lower().removesuffix(".")
    if name == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return bool(name) and f".{host}".endswith(f".{name}")


def _usable(url: str) -> str | None:
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return None
    return f"{parts.scheme}://{parts.netloc.removesuffix(':')}"
