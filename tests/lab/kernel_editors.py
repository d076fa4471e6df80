"""The NAT editors that Linux has, as nftables text (pure).

The kernel calls them connection tracking helpers.  None works unless a rule attaches it to a
connection, which the rules here do by the port alone, as the helpers themselves once did.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.lab.description import Editor, Protocol


class Helper(NamedTuple):
    """One helper by its kernel name, for connections to ``port``; ``family`` as nftables has it,
    where the helper does not know both."""

    name: str
    protocol: Protocol
    port: int
    module: str
    family: str = "inet"


HELPERS: dict[Editor, tuple[Helper, ...]] = {
    "ftp": (Helper("ftp", "tcp", 21, "nf_nat_ftp"),),
    "pptp": (Helper("pptp", "tcp", 1723, "nf_nat_pptp", "ip"),),
    "h323": (
        Helper("Q.931", "tcp", 1720, "nf_nat_h323"),
        Helper("RAS", "udp", 1719, "nf_nat_h323"),
    ),
    "snmp": (Helper("snmp_trap", "udp", 162, "nf_nat_snmp_basic", "ip"),),
    "sip": (
        Helper("sip", "udp", 5060, "nf_nat_sip"),
        Helper("sip", "tcp", 5060, "nf_nat_sip"),
    ),
    "irc": (Helper("irc", "tcp", 6667, "nf_nat_irc", "ip"),),
    "tftp": (Helper("tftp", "udp", 69, "nf_nat_tftp"),),
    "amanda": (Helper("amanda", "udp", 10080, "nf_nat_amanda"),),
}
"""H.245 has one too: the kernel attaches it by itself to the connections that a Setup announces."""


def declarations(editors: Iterable[Editor]) -> list[str]:
    """The objects, for the top of a table of the family inet."""
    return [
        f'ct helper {editor}_{helper.protocol} {{ type "{helper.name}" protocol {helper.protocol};'
        f" l3proto {helper.family}; }}"
        for editor in editors
        for helper in HELPERS[editor]
    ]


def attachments(editors: Iterable[Editor]) -> list[str]:
    """Rules for a filter chain in front of the NAT's, which has to know that lengths may change."""
    return [
        f'{helper.protocol} dport {helper.port} ct helper set "{editor}_{helper.protocol}"'
        for editor in editors
        for helper in HELPERS[editor]
    ]


def modules(editor: Editor) -> str:
    """What a kernel that lacks the editor was built without."""
    return ", ".join(sorted({helper.module for helper in HELPERS[editor]}))
