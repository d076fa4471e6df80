"""Secrets in text, and the placeholders that stand for them (pure).

The same value has the same placeholder in one report, and a placeholder stays as it is, so that
what was redacted can be redacted again.  What kind of address it was, and its port, can still
be read: both matter to whoever helps.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Literal
from urllib.parse import unquote

from netcheck import address_kind
from netcheck.address_kind import Address, is_for_everybody
from netcheck.report.spellings import Spellings

Kind = Literal["computer", "server", "proxy", "program", "interface", "user", "fingerprint"]
"""What `Placeholders.name` can be told that a text is."""

_KINDS = (
    "private-address|carrier-address|link-local-address|public-address|mac-address|fingerprint"
    "|computer|server|proxy|program|interface|user|host|domain"
)
_PLACEHOLDER = re.compile(rf"({_KINDS})-([0-9]{{1,6}})")

# Words of our own: a computer that is called so keeps them in our sentences.
_WORDS = frozenset(
    {"localhost", "netcheck", "linux", "windows", "macos", "darwin", "tcp", "udp", "http", "https"}
    | {"ftp", "sip", "irc", "msn", "port", "ports", "server", "router", "computer", "carrier"}
    | {"internet", "proxy", "program", "user", "address", "name", "root", "administrator"}
)
_SHORTEST = 2  # characters of a name that is looked for inside of sentences
_QUALIFIED = re.compile(r"(?:[\w\-]+\.)+(?!\d+\.?$)[\w\-]+\.?")
"""A host's name with its domain; what ends in a number is an address, in whatever digits."""
_LONGEST = 100_000  # characters of a text: none of ours has a hundredth of it
_DISTINCT = 8  # characters from which a name is one even inside of a longer word

# What nobody sees: between two digits it would hide an address from the search.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)

_PARTS = {
    "kept": rf"\b(?:{_KINDS})-[0-9]{{1,6}}\b(?!-[0-9])",
    "url": r"(?<![A-Za-z])[A-Za-z]++[A-Za-z0-9+.\-]{0,15}://[^\s<>\"“”‘’]*",
    "mail": r"(?<![\w.+\-])[\w.+\-]++@[\w.\-]{1,253}",
    "hash": r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{64}|(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})",
    "mac": r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?P<between>[:\-])(?:[0-9A-Fa-f]{2}(?P=between)){4,}"
    r"[0-9A-Fa-f]{2}(?![0-9A-Fa-f])"
    r"|(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![0-9A-Fa-f])"
    r"|(?<=enx|wlx|wwx|slx)[0-9A-Fa-f]{12}",
    "arpa": r"(?<![0-9.])(?:[0-9]{1,3}\.){1,4}in-addr\.arpa"
    r"|(?<![0-9A-Fa-f.])(?:[0-9A-Fa-f]\.){1,32}ip6\.arpa",
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
_KEPT = re.compile(_PARTS["kept"], re.IGNORECASE)
_WHOLE = _pattern(_PARTS)
_FIRST_SIGHT = _pattern(_PARTS, _ADDRESSES)
_NOT_SIX = _pattern(_PARTS, {name: part for name, part in _ADDRESSES.items() if name != "six"})


class Placeholders:
    """Learns what is secret, from names by `name` and from text by `learn`; then `redact`."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._addresses: dict[Address, str] = {}
        self._names: dict[str, str] = {}  # case-folded -> placeholder
        self._forms: dict[str, str] = {}  # the same, in every form in which they may stand
        self._macs: dict[str, str] = {}  # twelve digits -> placeholder
        self._texts: dict[str, str] = {}
        self._spellings = Spellings()
        self._search = _FIRST_SIGHT
        self._is_complete = False

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
            self._remember(":".join(re.findall("..", host)), given)
        if kind in ("computer", "server", "proxy") and _QUALIFIED.fullmatch(host):
            labels = host.casefold().rstrip(".").split(".")
            if kind == "computer":
                self._remember(labels[0], given)
            for at in range(1, len(labels) - 1):
                self._give(".".join(labels[at:]), "domain")

    def learn(self, text: str) -> None:
        """Number whatever in `text` looks like a secret, in the order of the reading."""
        _FIRST_SIGHT.sub(self._replaced, visible(text[:_LONGEST]))

    def _give(self, name: str, kind: str) -> str:
        key = name.casefold()
        if key not in self._names:
            self._remember(name, self._new(kind))
        return self._names[key]

    def _remember(self, name: str, placeholder: str) -> None:
        self._names.setdefault(name.casefold(), placeholder)
        for form in _forms(name):
            self._forms.setdefault(form, placeholder)

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
            cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
            self._texts[text] = self._without(visible(cut))
        return self._texts[text]

    def _without(self, text: str) -> str:
        """Of a text that hides something in what is an escape for a URL, or in digits of another
        script, what it says without them; any other stays as it is spelled."""
        redacted = self._all(text)
        plain = _plain(redacted)
        if plain == redacted:
            return redacted
        again = self._all(plain)
        return redacted if again == plain else again

    def _all(self, text: str) -> str:
        if not self._is_complete:
            return self._search.sub(self._replaced, text)
        return _sub(_WHOLE, text, self._replaced, self._spelled)

    def _spelled(self, text: str, search: re.Pattern[str] | None = None) -> str:
        """What is known, in whatever form, and what looks like a secret: what begins first."""
        search = search or self._search
        parts, at = [], 0
        match = search.search(text)
        for start, end, placeholder in self._spellings.find(text):
            while match and match.start() < start:
                parts += [text[at : match.start()], self._replaced(match)]
                at = match.end()
                match = search.search(text, at)
            if start >= at:
                parts += [text[at:start], placeholder]
                at = end
                match = search.search(text, at)
        while match:
            parts += [text[at : match.start()], self._replaced(match)]
            at = match.end()
            match = search.search(text, at)
        return "".join((*parts, text[at:]))

    def complete(self) -> None:
        """From now on find what is known in every form."""
        for address, placeholder in self._addresses.items():
            self._spellings.add(address, placeholder)
        for digits, placeholder in self._macs.items():
            self._spellings.add_mac(digits, placeholder)
        names = sorted(self._forms, key=lambda name: (-len(name), name))
        words = [name for name in names if len(name) >= _SHORTEST and name not in _WORDS]
        known = {
            "distinct": [name for name in words if len(name) >= _DISTINCT],
            "word": [name for name in words if len(name) < _DISTINCT],
        }
        said = {kind: _one_of(names, kind) for kind, names in known.items() if names}
        self._search = _pattern(_PARTS, said, _ADDRESSES)
        self._is_complete = True

    def _replaced(self, found: re.Match[str]) -> str:
        text = found[0]
        match found.lastgroup:
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
        return next(self._forms[form] for form in _forms(text) if form in self._forms)

    def _four(self, text: str) -> str:
        numbers = re.split("[.,-]", text)
        address = _address(".".join(numbers[:4]))
        if address is None or is_for_everybody(address):
            return text
        return ",".join([self._address(address), *numbers[4:]])

    def _address(self, address: Address) -> str:
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if address not in self._addresses:
            self._addresses[address] = self._new(f"{address_kind.kind(address)}-address")
        return self._addresses[address]

    def _six(self, text: str) -> str:
        """The longest part that is an address; the rest may hold others."""
        bare = text.strip("[]")
        address = _address(bare)
        if address is not None:
            return text if is_for_everybody(address) else self._address(address)
        if not re.search("[0-9A-Fa-f]", text):
            return text
        before_zone = len(text.partition("%")[0])
        ends = [at for at in range(before_zone) if text[at] in ":.[]"]
        ends += {before_zone, len(text.rstrip("]")), len(text)}
        starts = [
            at for at in range(len(text)) if at == 0 or text[at - 1] in ":[" or text[at] == ":"
        ]
        spans = sorted(((b - a, a, b) for a in starts for b in ends if b > a), reverse=True)
        for _, start, end in spans:
            if _may_be_six(text[start:end]) and (address := _address(text[start:end])):
                said = text[start:end] if is_for_everybody(address) else self._address(address)
                return self._inner(text[:start]) + said + self._inner(text[end:])
        return self._spelled(text, _NOT_SIX)

    def _inner(self, text: str) -> str:
        return self._all(text) if text else ""

    def _arpa(self, text: str) -> str:
        """Of a part of an address, which names a network, nothing is left."""
        *labels, kind, top = text.split(".")
        zone = f"{kind}.{top}"
        labels.reverse()
        if kind.lower() == "in-addr":
            address = _address(".".join(labels))
        else:
            address = _address(":".join(re.findall("....", "".join(labels))))
        if address is None:
            return f"…{zone}"
        return text if is_for_everybody(address) else f"{self._address(address)}.{zone}"

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
            return text if is_for_everybody(address) else self._address(address)
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
            further = self._all(further)
        elif further not in ("", "/"):
            further = "/…"
        return f"{scheme}://{named}{port}{further}{after}"


def in_text(text: str) -> bool:
    """Whether there is a placeholder in `text`."""
    return _KEPT.search(text) is not None


def visible(text: str) -> str:
    """`text` without the characters that cannot be seen."""
    return _INVISIBLE.sub("", text)


def _split(text: str, with_port: bool) -> tuple[str, str]:
    """A host, and the port that follows it, if one may."""
    if _address(text.strip("[]")):
        return text, ""
    port = re.search(r"(?<=[^:])(:[0-9]{1,5})$", text) if with_port else None
    return (text[: port.start()], port[1]) if port else (text, "")


def _may_be_six(text: str) -> bool:
    """Whether it is worth a closer look: any text may be full of colons."""
    return "::" in text or text.count(":") == (6 if "." in text else 7)


def _address(text: str) -> Address | None:
    bare = re.sub(r"%[A-Za-z0-9._\-]+$", "", text.strip())
    if re.fullmatch(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}", bare):
        bare = ".".join(str(int(number)) for number in bare.split("."))
    try:
        return None if "%" in bare else ipaddress.ip_address(bare)
    except ValueError:
        return None


def _forms(name: str) -> set[str]:
    """In lower case, composed or not; what Python makes two letters of, its search may not."""
    same = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    lower = {form for each in same for form in (each.lower(), each.casefold())}
    return lower | {each.replace("i\u0307", "i") for each in lower}


def _plain(text: str) -> str:
    """Without escapes for URLs, and in the digits and letters that everybody types."""
    if "%" in text:
        text = unquote(text, errors="replace")
    if text.isascii():
        return text
    digits = (unicodedata.decimal(c, None) for c in text)
    numbers = "".join(c if d is None else str(d) for c, d in zip(text, digits, strict=True))
    return visible(unicodedata.normalize("NFKC", numbers))


def _sub(
    pattern: re.Pattern[str],
    text: str,
    found: Callable[[re.Match[str]], str],
    between: Callable[[str], str],
) -> str:
    """`found` of each match, `between` of all other text."""
    parts, at = [], 0
    for match in pattern.finditer(text):
        parts += [between(text[at : match.start()]), found(match)]
        at = match.end()
    return "".join((*parts, between(text[at:])))


def _one_of(names: list[str], kind: str) -> str:
    """A pattern of names; a short one counts only as a whole word."""
    any_of = "|".join(map(re.escape, names))
    return (
        f"(?:{any_of})" if kind == "distinct" else rf"(?<![A-Za-z0-9])(?:{any_of})(?![A-Za-z0-9])"
    )
