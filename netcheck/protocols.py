"""The protocols that carry addresses inside messages, by their names in words (facts M5, M7, M8).

One of them is a row of the editor matrix.
"""

from __future__ import annotations

from typing import Literal, get_args

Protocol = Literal[
    "ftp", "icmp", "pptp", "snmp", "ldap", "ipsec", "dcom", "rpc", "h323", "msn", "sip", "irc"
]  # fmt: skip

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
"""In the order of the article, then what it does not list."""

IN_THE_ARTICLE: dict[Protocol, bool] = {
    "ftp": True, "icmp": True, "pptp": True,
    "snmp": False, "ldap": False, "ipsec": False, "dcom": False, "rpc": False, "h323": False,
}  # fmt: skip
"""Which of them the NAT in the article had an editor for (fact M8)."""

IN_WORDS: dict[Protocol, str] = {
    "ftp": "FTP",
    "icmp": "ICMP errors",
    "pptp": "PPTP",
    "snmp": "SNMP traps",
    "ldap": "LDAP (ILS)",
    "ipsec": "IPsec",
    "dcom": "COM",
    "rpc": "RPC",
    "h323": "H.323",
    "msn": "MSN Messenger",
    "sip": "SIP",
    "irc": "IRC (DCC)",
}


def in_words(protocol: str) -> str:
    """Its name; a protocol that only a later netcheck knows goes by its own."""
    return next((words for name, words in IN_WORDS.items() if name == protocol), protocol)
