"""What articles about NAT editors are filled in with: names, helpers, and the editor matrix.

A report may come from anywhere: of what it says about protocols only known names and verdicts are
taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from netcheck.kb_values import Command, listed
from netcheck.protocols import IN_THE_ARTICLE, IN_WORDS, PROTOCOLS, Protocol, in_words

_VERDICTS = {
    "not-needed": "not needed",
    "edited": "rewritten rightly",
    "edited-unreachable": "rewritten, and nobody gets in",
    "untouched": "left as it is",
    "mangled": "damaged",
    "blocked": "kept back",
    "not-tested": "not tested",
}


class Helper(NamedTuple):
    """How routers call their editor for a protocol; empty where they have none.  ``kind`` is
    Linux's own name, ``family`` what nftables has to be told of it."""

    name: str
    kind: Command
    module: Command
    transport: Command
    port: int
    family: Command
    package: Command
    routeros: Command
    ios: Command
    asa: Command


def _helper(protocol: Protocol, kind: str, module: str, at: str, **names: str) -> Helper:
    transport, _, port = at.partition(" ")
    given = {
        "family": "",
        "package": "kmod-nf-nathelper-extra",
        "routeros": "",
        "ios": "",
        "asa": "",
        **names,
    }
    return Helper(
        name=IN_WORDS[protocol],
        kind=Command(kind),
        module=Command(module),
        transport=Command(transport),
        port=int(port),
        **{name: Command(word) for name, word in given.items()},
    )


_HELPERS: dict[str, Helper] = {
    "ftp": _helper(
        "ftp", "ftp", "ftp", "tcp 21", package="kmod-nf-nathelper", routeros="ftp", asa="ftp"
    ),
    "pptp": _helper(
        "pptp", "pptp", "pptp", "tcp 1723", family="l3proto ip; ", routeros="pptp", asa="pptp"
    ),
    "snmp": _helper("snmp", "snmp_trap", "snmp_basic", "udp 162", family="l3proto ip; "),
    "h323": _helper(
        "h323", "Q.931", "h323", "tcp 1720", routeros="h323", ios="h225", asa="h323 h225"
    ),
    "sip": _helper(
        "sip", "sip", "sip", "udp 5060", routeros="sip", ios="sip udp port 5060", asa="sip"
    ),
    "irc": _helper("irc", "irc", "irc", "tcp 6667", family="l3proto ip; ", routeros="irc"),
}
"""Those that Linux has (measured with 6.18), and with it most home routers."""

_ONLY_ASA = {"ldap": Command("ils"), "rpc": Command("dcerpc"), "dcom": Command("dcerpc")}


_BETTER_OFF = frozenset({"snmp_trap"})
"""Linux's drops all traps of version 1 (measured with 6.18)."""


class Row(NamedTuple):
    """One row of the matrix, in words."""

    name: str
    article: str
    here: str


def context(values: Mapping[str, object]) -> dict[str, object]:
    """Without a finding, all protocols are meant."""
    told = values.get("protocols")
    known = [p for p in PROTOCOLS if isinstance(told, list | tuple) and p in told]
    meant = known or list(PROTOCOLS)
    helpers = [_HELPERS[p] for p in meant if p in _HELPERS]
    inspected = [h.asa for h in helpers if h.asa] + [_ONLY_ASA[p] for p in meant if p in _ONLY_ASA]
    return {
        "protocols": Command(listed([in_words(p) for p in known])) if known else "",
        "single": Command(known[0]) if len(known) == 1 else "",
        "helpers": helpers,
        "advised": [h for h in helpers if h.kind not in _BETTER_OFF],
        "helped": Command(listed([h.name for h in helpers])),
        "advice": Command(listed([h.name for h in helpers if h.kind not in _BETTER_OFF])),
        "inspected": list(dict.fromkeys(inspected)),
        "matrix": [_row(p, values.get("editors")) for p in PROTOCOLS],
    }


def _row(protocol: Protocol, editors: object) -> Row:
    had = IN_THE_ARTICLE.get(protocol)
    verdict = editors.get(protocol) if isinstance(editors, dict) else None
    return Row(
        name=in_words(protocol),
        article="not listed" if had is None else "yes" if had else "no",
        here=_VERDICTS.get(str(verdict), "not tested"),
    )
