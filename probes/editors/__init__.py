"""Protocols that carry addresses inside their messages: one file each, both ends, no I/O."""

from __future__ import annotations

from importlib import import_module
from typing import Literal, get_args

from probes.editors.contract import Dialogue

Name = Literal[
    "ftp", "pptp", "snmp", "ldap", "ipsec", "dcom", "rpc", "h323", "msn", "sip", "irc"
]  # fmt: skip

NAMES: tuple[Name, ...] = get_args(Name)


def dialogues(name: Name) -> tuple[Dialogue, ...]:
    """The dialogues of a protocol, one for each way of saying it.  Its file is loaded now."""
    found: tuple[Dialogue, ...] = import_module(f"probes.editors.{name}").DIALOGUES
    return found
