"""Secrets in text, and the placeholders that stand for them (pure).

The same value has the same placeholder in one report, and a placeholder stays as it is, so that
what was redacted can be redacted again.  What kind of address it was, and its port, can still
be read: both matter to whoever helps.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["computer", "server", "proxy", "program", "interface", "user", "fingerprint"]
"""What `Placeholders.name` can be told that a text is."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_KINDS = (
    "private-address|carrier-address|link-local-address|public-address|mac-address|fingerprint"
    "|computer|server|proxy|program|interface|user|host|domain"
)
_PLACEHOLDER = re.compile(rf"({_KINDS})-([0-9]{{1,6}})")

# Not Python's is_private: that holds the blocks of documentation and of tests as well.
_NETWORKS = (
    ("carrier-address", ipaddress.ip_network("100.64.0.0/10")),  # RFC 6598
    ("link-local-address", ipaddress.ip_network("169.254.0.0/16")),  # RFC 3927
    ("link-local-address", ipaddress.ip_network("fe80::/10")),
    ("private-address", ipaddress.ip_network("10.0.0.0/8")),  # RFC 1918
    ("private-address", ipaddress.ip_network("172.16.0.0/12")),
    ("private-address", ipaddress.ip_network("192.168.0.0/16")),
    ("private-address", ipaddress.ip_network("fc00::/7")),  # RFC 4193
)

# The same for everybody: the well-known prefix of NAT64, and what its name stands for (RFC 7050).
_WELL_KNOWN = frozenset(
    map(ipaddress.ip_address, ("64:ff9b::", "192.0.0.170", "192.0.0.171", "255.255.255.255"))
)

_STUN_COOKIE = 0x2112A442
"""XOR-MAPPED-ADDRESS holds an IPv4 address in this form (RFC 8489 section 14.2)."""

# Words of our own: a computer that is called so keeps them in our sentences.
_WORDS = frozenset(
    {"localhost", "netcheck", "linux", "windows", "macos", "darwin", "tcp", "udp", "http", "https"}
    | {"ftp", "sip", "irc", "msn", "port", "ports", "server", "router", "computer", "carrier"}
    | {"internet", "proxy", "program", "user", "address", "name"}
)
_SHORTEST = 2  # characters of a name that is looked for inside of sentences
_DISTINCT = 8  # characters from which a name is one even inside of a longer word

# What `page.clean` takes away: between two digits it would hide an address from the search.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)

_PARTS = {
    "kept": rf"\b(?:{_KINDS})-[0-9]{{1,6}}\b",
    "url": r"[A-Za-z][A-Za-z0-9+.\-]{0,15}://[^\s<>\"“”‘’]*",
    "mail": r"[\w.+\-]{1,64}@[\w.\-]{1,253}",
    "hash": r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{64}|(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})",
    "mac": r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?P<between>[:\-])(?:[0-9A-Fa-f]{2}(?P=between)){4,}"
    r"[0-9A-Fa-f]{2}(?![0-9A-Fa-f])"
    r"|(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![0-9A-Fa-f])"
    r"|(?<=enx)[0-9A-Fa-f]{12}",
    "arpa": r"(?:[0-9]{1,3}\.){4}in-addr\.arpa|(?:[0-9A-Fa-f]\.){32}ip6\.arpa",
    "home": r"(?:/home/|/Users/|\\Users\\)[^/\\\s:\"'<>]+",
}
_ADDRESSES = {
    "six": r"\[?(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:(?:\.[0-9]{1,3}){3})?"
    r"(?:%[A-Za-z0-9._\-]+)?\]?",
    "four": r"(?<![0-9])(?<![0-9]\.)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9]|\.[0-9])",
    "comma": r"(?<![0-9,])(?:[0-9]{1,3},){5}[0-9]{1,3}(?![0-9,])",  # FTP's PORT
    "dash": r"(?<![0-9])(?<![0-9]-)(?:[0-9]{1,3}-){3}[0-9]{1,3}(?![0-9]|-[0-9])",  # names of hosts
}
"""Parts of one pattern: what comes first in a text is taken first, and nothing is read twice."""


def _pattern(*parts: dict[str, str]) -> re.Pattern[str]:
    named = (f"(?P<{name}>{part})" for some in parts for name, part in some.items())
    return re.compile("|".join(named), re.IGNORECASE)


_URL = re.compile(_PARTS["url"])
_FIRST_SIGHT = _pattern(_PARTS, _ADDRESSES)
_NOT_SIX = _pattern(_PARTS, {name: part for name, part in _ADDRESSES.items() if name != "six"})


class Placeholders:
    """Learns what is secret, from names by `name` and from text by `learn`; then `redact`."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._addresses: dict[_Address, str] = {}
        self._names: dict[str, str] = {}  # case-folded -> placeholder
        self._macs: dict[str, str] = {}  # twelve digits -> placeholder
        self._texts: dict[str, str] = {}
        self._search = _FIRST_SIGHT
        self._groups: dict[str, str] = {}  # of the search: its name -> placeholder

    # ---- learning ----

    def reserve(self, text: str) -> None:
        """Give no number anew that a placeholder in `text` has already."""
        for found in _PLACEHOLDER.finditer(text):
            self._counts[found[1]] = max(self._counts.get(found[1], 0), int(found[2]))

    def name(self, text: str, kind: Kind) -> None:
        """`text` is the name of something of this kind, or its address, with a port or not."""
        host, _ = _split(visible(text).strip(), kind in ("server", "proxy"))
        is_known = _PLACEHOLDER.fullmatch(host) or _URL.fullmatch(host)
        if not host or is_known or _address(host.strip("[]")):
            return
        given = self._give(host, kind)
        if kind == "fingerprint":
            self._names.setdefault(":".join(re.findall("..", host)).casefold(), given)
        labels = host.casefold().rstrip(".").split(".")
        if kind == "computer" and len(labels) > 1:
            self._names.setdefault(labels[0], given)
        if kind in ("computer", "server", "proxy"):
            for at in range(1, len(labels) - 1):
                self._give(".".join(labels[at:]), "domain")

    def learn(self, text: str) -> None:
        """Number whatever in `text` looks like a secret, in the order of the reading."""
        _FIRST_SIGHT.sub(self._replaced, visible(text))

    def _give(self, name: str, kind: str) -> str:
        key = name.casefold()
        if key not in self._names:
            self._names[key] = self._new(kind)
        return self._names[key]

    def _new(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}-{self._counts[kind]}"

    # ---- replacing ----

    def redact(self, text: str, *, is_name: bool = False) -> str:
        """`text` without what is secret.  `is_name`: it is a name as a whole, however short."""
        if is_name:
            for with_port in (False, True):
                name, port = _split(visible(text).strip(), with_port)
                if name.casefold() in self._names:
                    return self._names[name.casefold()] + port
        if text not in self._texts:
            self._texts[text] = self._search.sub(self._replaced, visible(text))
        return self._texts[text]

    def complete(self) -> None:
        """From now on find what is known in every form."""
        known: dict[str, str] = {}

        def add(pattern: str, placeholder: str) -> None:
            group = f"known_{len(known)}"
            known[group] = pattern
            self._groups[group] = placeholder

        for address, placeholder in self._addresses.items():
            add("|".join(_forms(address)), placeholder)
        for digits, placeholder in self._macs.items():
            add(digits, placeholder)
        for name in sorted(self._names, key=lambda name: (-len(name), name)):
            if len(name) >= _SHORTEST and name not in _WORDS:
                add(_word(name), self._names[name])
        self._search = _pattern(_PARTS, known, _ADDRESSES)

    def _replaced(self, found: re.Match[str]) -> str:
        text = found[0]
        match group := found.lastgroup or "":
            case "kept":
                return text
            case "url":
                return self._url(text)
            case "mail":
                user, _, host = text.partition("@")
                return f"{self._person(user)}@{self._host(host)}"
            case "hash":
                return self._give(text.replace(":", ""), "fingerprint")
            case "mac":
                return self._mac(text)
            case "arpa":
                return self._arpa(text)
            case "home":
                cut = max(text.rfind("/"), text.rfind("\\")) + 1
                return text[:cut] + self._person(text[cut:])
            case "six":
                return self._six(text)
            case "four" | "comma" | "dash":
                return self._four(text)
        return self._groups[group]

    def _four(self, text: str) -> str:
        numbers = re.split("[.,-]", text)
        address = _address(".".join(numbers[:4]))
        if address is None or _is_for_everybody(address):
            return text
        return ",".join([self._address(address), *numbers[4:]])

    def _address(self, address: _Address) -> str:
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if address not in self._addresses:
            kinds = (
                kind
                for kind, network in _NETWORKS
                if network.version == address.version and address in network
            )
            self._addresses[address] = self._new(next(kinds, "public-address"))
        return self._addresses[address]

    def _six(self, text: str) -> str:
        """The longest part that is an address; the rest may hold others."""
        bare = text.strip("[]")
        address = _address(bare)
        if address is not None:
            return text if _is_for_everybody(address) else self._address(address)
        ends = [at for at in range(len(text) + 1) if at == len(text) or text[at] in ":.%[]"]
        starts = [
            at for at in range(len(text)) if at == 0 or text[at - 1] in ":[" or text[at] == ":"
        ]
        spans = sorted(((b - a, a, b) for a in starts for b in ends if b > a), reverse=True)
        for _, start, end in spans:
            if text.count(":", start, end) > 1 and (address := _address(text[start:end])):
                said = text[start:end] if _is_for_everybody(address) else self._address(address)
                return self._inner(text[:start]) + said + self._inner(text[end:])
        return _NOT_SIX.sub(self._replaced, text)

    def _inner(self, text: str) -> str:
        return self._search.sub(self._replaced, text) if text else ""

    def _arpa(self, text: str) -> str:
        labels = text.split(".")
        if text.endswith("in-addr.arpa"):
            address = _address(".".join(reversed(labels[:4])))
            rest = ".in-addr.arpa"
        else:
            digits = "".join(reversed(labels[:32]))
            address = _address(":".join(re.findall("....", digits)))
            rest = ".ip6.arpa"
        if address is None or _is_for_everybody(address):
            return text
        return self._address(address) + rest

    def _mac(self, text: str) -> str:
        digits = re.sub("[^0-9A-Fa-f]", "", text).lower()
        if digits not in self._macs:
            self._macs[digits] = self._new("mac-address")
        return self._macs[digits]

    def _person(self, text: str) -> str:
        return text if _PLACEHOLDER.fullmatch(text) else self._give(text, "user")

    def _host(self, text: str) -> str:
        if _PLACEHOLDER.fullmatch(text):
            return text
        address = _address(text.strip("[]"))
        if address is not None:
            return text if _is_for_everybody(address) else self._address(address)
        return self._give(text, "host") if text.strip(".") else text

    def _url(self, text: str) -> str:
        """The scheme, a placeholder, the port.  What follows may hold anything, and is cut off,
        but for a link to an echo server: its addresses and its fingerprint have placeholders."""
        url = text.rstrip(".,;:!?)")
        after = text[len(url) :]
        scheme, _, rest = url.partition("://")
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        further = rest[len(authority) :]
        host = authority.rpartition("@")[2]
        ports = re.search(r"(?<!:)(:[0-9]{1,5}(?:,[0-9]{1,5})*)$", host)
        port = ports[1] if ports and (":" not in host[: ports.start()] or "]" in host) else ""
        named = self._host(host.removesuffix(port)) if host else ""
        if scheme.lower() == "netcheck":
            further = self._search.sub(self._replaced, further)
        elif further not in ("", "/"):
            further = "/…"
        return f"{scheme}://{named}{port}{further}{after}"


def visible(text: str) -> str:
    """`text` without the characters that cannot be seen."""
    return _INVISIBLE.sub("", text)


def _split(text: str, with_port: bool) -> tuple[str, str]:
    """A host, and the port that follows it, if one may."""
    port = re.search(r"(?<=[^:])(:[0-9]{1,5})$", text) if with_port else None
    return (text[: port.start()], port[1]) if port else (text, "")


def _is_for_everybody(address: _Address) -> bool:
    """Whether it says nothing of anybody."""
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address in _WELL_KNOWN
    )


def _address(text: str) -> _Address | None:
    bare = re.sub(r"%[A-Za-z0-9._\-]+$", "", text.strip())
    if re.fullmatch(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}", bare):
        bare = ".".join(str(int(number)) for number in bare.split("."))
    try:
        return None if "%" in bare else ipaddress.ip_address(bare)
    except ValueError:
        return None


def _word(name: str) -> str:
    if len(name) >= _DISTINCT:
        return re.escape(name)
    return rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"


def _forms(address: _Address) -> Iterator[str]:
    """Patterns of how an address stands in messages and in what programs say of them."""
    for packed in _packings(address):
        between = r"(?:[\s:.,\-]{0,2}(?:\\x|0x)?)"
        yield between.join(f"{byte:02x}" for byte in packed)
        spelled = repr(packed)[2:-1]
        if "\\x" in spelled:
            yield re.escape(spelled)
    if isinstance(address, ipaddress.IPv4Address):
        octets = str(address).split(".")
        for separator in (r"\.", ",", "-", ", "):
            yield rf"(?<![0-9]){separator.join(f'0{{0,2}}{octet}' for octet in octets)}(?![0-9])"
        if int(address) >= 1 << 24:
            yield rf"(?<![0-9]){int(address)}(?![0-9])"


def _packings(address: _Address) -> Iterator[bytes]:
    if not address.packed[0] and isinstance(address, ipaddress.IPv4Address):
        return  # no host has such an address, and many numbers begin with noughts
    yield address.packed
    if isinstance(address, ipaddress.IPv4Address):
        yield (int(address) ^ _STUN_COOKIE).to_bytes(4)
