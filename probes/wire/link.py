"""How an echo server is named: a host, with ports, or a link that pins its certificate.

``netcheck://HOST:8463,443?also=ADDRESS#<sha-256 of the certificate, 64 hex digits>``
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from probes.errors import LinkError

SCHEME = "netcheck://"
CONTROL_PORT = 8463
CONTROL_PORTS = (CONTROL_PORT, 443)  # tried where no port is given: 443 passes nearly everywhere
ALSO_MOST = 4  # a server has one other address for each IP version; twice that is plenty
_LONGEST = 512
_AROUND = "\"'<>‘’“”„«»"
"""What a link stands in, in a command or a mail.  A mail also breaks its last part, the longest."""
_COMMAND = "netcheck check --server"  # the line that a server prints, pasted whole
_NAME = re.compile(rf"(?!-)[^\s/\\:@\[\]#?%,{_AROUND}]{{1,253}}")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,64}")  # RFC 6874 section 2, as far as systems use it


class Link(msgspec.Struct, frozen=True):
    """``ports`` is empty where none was given; ``fingerprint`` is the SHA-256 of the
    certificate (DER) in lower-case hex, or None.  ``also`` are further IP addresses of the same
    server, for which whoever gave the link vouches: a client may send there."""

    host: str
    ports: tuple[int, ...] = ()
    fingerprint: str | None = None
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        ports = ":" + ",".join(map(str, self.ports)) if self.ports else ""
        also = "?also=" + ",".join(self.also) if self.also else ""
        fingerprint = f"#{self.fingerprint}" if self.fingerprint else ""
        return f"{SCHEME}{host}{ports}{also}{fingerprint}"


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address, an IPv6 zone included."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    _, mark, zone = host.partition("%")
    return not mark or _ZONE.fullmatch(zone) is not None


def parse(text: str) -> Link:
    """Read what a user gave as the server.  Raises LinkError with one sentence."""
    given = text.strip()
    if SCHEME in given.lower():
        given = given.removeprefix(_COMMAND).strip().strip(_AROUND).strip()
    if not given:
        raise LinkError(
            "The echo server is empty; give a host name, an address or a netcheck:// link."
        )
    if len(given) > _LONGEST:
        raise LinkError(
            f"The echo server is longer than {_LONGEST} characters; check what was pasted."
        )
    rest = given
    fingerprint = None
    also: tuple[str, ...] = ()
    if "://" in given:
        if not given.lower().startswith(SCHEME):
            raise LinkError(
                f"{_shown(given)} is not a netcheck link; it must begin with {SCHEME} "
                "or be a plain host name."
            )
        rest, mark, fingerprint = given[len(SCHEME) :].partition("#")
        rest, query, further = rest.partition("?")
        if query:
            also = _also(further.strip(), given)
        rest = rest.strip().rstrip("/")
        fingerprint = "".join(re.split(r"[:\s]+", fingerprint)).lower() if mark else None
        if fingerprint is not None and not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
            raise LinkError(
                f"The fingerprint in {_shown(given)} must be 64 hexadecimal digits; "
                "copy the whole link again."
            )
    host, ports = _split(rest, given)
    return Link(host, ports, fingerprint, also)


def _also(query: str, given: str) -> tuple[str, ...]:
    key, _, text = query.partition("=")
    addresses = []
    for part in text.split(","):
        try:
            addresses.append(str(ipaddress.ip_address(part)))
        except ValueError:
            addresses.append("")
    if key != "also" or not all(addresses) or len(addresses) > ALSO_MOST or "%" in text:
        raise LinkError(
            f"After the ? in {_shown(given)} there must be also= and 1 to {ALSO_MOST} "
            "IP addresses with commas between; copy the whole link again."
        )
    return tuple(dict.fromkeys(map(_of_one_computer, addresses)))


def _split(rest: str, given: str) -> tuple[str, tuple[int, ...]]:
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")) or not is_address(host):
            raise LinkError(f"{_shown(given)} has no valid IPv6 address between the brackets.")
        return _of_one_computer(host), _ports(tail[1:], given) if tail else ()
    if is_address(rest):
        return _of_one_computer(rest), ()
    host, colon, tail = rest.partition(":")
    if not _NAME.fullmatch(host) or not host.isprintable() or _looks_like_a_bad_address(host):
        raise LinkError(
            f"{_shown(given)} is not a host; give a name such as echo.example.org, "
            "an address, or HOST:PORT."
        )
    if is_address(host):
        _of_one_computer(host)
    return host, _ports(tail, given) if colon else ()


def _of_one_computer(address: str) -> str:
    """The address, unless it stands for all or for many.  Raises LinkError."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_unspecified or parsed.is_multicast or str(parsed) == "255.255.255.255":
        raise LinkError(
            f"{_shown(address)} is no single computer's address; give the echo server's own."
        )
    return address


def _looks_like_a_bad_address(host: str) -> bool:
    return bool(re.fullmatch(r"[0-9.]+", host)) and not is_address(host)


def _ports(text: str, given: str) -> tuple[int, ...]:
    ports = []
    for part in text.split(","):
        if not re.fullmatch(r"[0-9]{1,5}", part) or not 1 <= int(part) <= 65535:
            shown = _shown(part) if part else "An empty port"
            raise LinkError(f"{shown} in {_shown(given)} is not a port; ports are 1 to 65535.")
        ports.append(int(part))
    return tuple(dict.fromkeys(ports))


def _shown(text: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return f"'{clean[:80]}{'…' if len(clean) > 80 else ''}'"
