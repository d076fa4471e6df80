"""What other programs say of a NAT, each in its own words: Debian's stun, coturn's natdiscovery
and pystun3.  A word that covers several behaviours is right for each of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from tests.lab.nat_scenarios import ADM, APDM, EIM, EVERY_PORT, NatTruth

Name = Literal["stun", "natdiscovery", "pystun3"]
Field = Literal["answers", "present", "mapping", "filtering", "hairpin", "port_preservation"]
Mark = Literal["right", "wrong", "cannot tell"]
Claims = Mapping[Field, tuple[object, ...]]
"""For each field that a program speaks of, all that its words can mean."""

_PYSTUN3 = "import sys; from stun.cli import main; sys.exit(main())"
_DEPENDENT = (ADM, APDM)
_ALL = (EIM, ADM, APDM)

# Primary: ... of client.cxx; a hairpin that it did not see it calls "no hairpin".
_STUN: Mapping[str, Claims] = {
    "Open": {"present": (False,), "filtering": (EIM,)},
    "Independent Mapping, Independent Filter": {
        "present": (True,),
        "mapping": (EIM,),
        "filtering": (EIM,),
    },
    "Independent Mapping, Address Dependent Filter": {
        "present": (True,),
        "mapping": (EIM,),
        "filtering": (ADM,),
    },
    "Independent Mapping, Port Dependent Filter": {
        "present": (True,),
        "mapping": (EIM,),
        "filtering": (APDM,),
    },
    "Dependent Mapping": {"present": (True,), "mapping": _DEPENDENT},
    "Firewall": {"present": (False,), "filtering": _DEPENDENT},
    "Blocked or could not reach STUN server": {"answers": (False,)},
}
_PYSTUN3_TYPES: Mapping[str, Claims] = {
    "Open Internet": {"present": (False,), "filtering": (EIM,)},
    "Symmetric UDP Firewall": {"present": (False,), "filtering": _DEPENDENT},
    "Full Cone": {"present": (True,), "mapping": (EIM,), "filtering": (EIM,)},
    "Restric NAT": {"present": (True,), "mapping": (EIM,), "filtering": (ADM,)},
    "Restric Port NAT": {"present": (True,), "mapping": (EIM,), "filtering": (APDM,)},
    "Symmetric NAT": {"present": (True,), "mapping": _DEPENDENT},
    "Blocked": {"answers": (False,)},
}
_WORDS = {
    "Endpoint Independent": EIM,
    "Address Dependent": ADM,
    "Address and Port Dependent": APDM,
}


class Tool(NamedTuple):
    """``argv`` of the server's address; ``read`` is what the output claims."""

    argv: Callable[[str], tuple[str, ...]]
    read: Callable[[str], Claims]


def _stun(said: str) -> Claims:
    found = re.search(r"^Primary: (.*?)\s*$", said, re.MULTILINE)
    if found is None:
        return {}
    words = found[1]
    kind = max((kind for kind in _STUN if words.startswith(kind)), key=len, default="")
    claims = dict(_STUN.get(kind, {}))
    if "present" in claims and claims["present"] == (True,):
        if ", will hairpin" in words or ", no hairpin" in words:
            claims["hairpin"] = (", will hairpin" in words,)
        if ", preserves ports" in words or ", random port" in words:
            claims["port_preservation"] = (", preserves ports" in words,)
    return claims


def _natdiscovery(said: str) -> Claims:
    claims: dict[Field, tuple[object, ...]] = {}
    if "No NAT! (Endpoint Independent Mapping)" in said:
        claims |= {"present": (False,), "mapping": (EIM,)}
    # Its "NAT with" is no claim that there is one: it does not know its own address.
    fields: tuple[tuple[Field, str], ...] = (("mapping", "Mapping"), ("filtering", "Filtering"))
    for field, word in fields:
        if found := re.search(rf"NAT with ([\w ]+) {word}!", said):
            claims[field] = (_WORDS[found[1]],)
    if "maybe a successful hairpinning" in said:
        claims["hairpin"] = (True,)
    elif "Hairpinning Behavior Discovery" in said and "mapping" in claims:
        claims["hairpin"] = (False,)
    return claims


def _pystun3(said: str) -> Claims:
    found = re.search(r"^NAT Type: (.*?)\s*$", said, re.MULTILINE)
    return _PYSTUN3_TYPES.get(found[1], {}) if found else {}


TOOLS: Mapping[Name, Tool] = {
    "stun": Tool(lambda server: ("stun", server), _stun),
    "natdiscovery": Tool(
        lambda server: ("turnutils_natdiscovery", "-m", "-f", "-H", server), _natdiscovery
    ),
    "pystun3": Tool(
        lambda server: (sys.executable, "-c", _PYSTUN3, "-H", server, "-P", "3478"), _pystun3
    ),
}


def mark(claims: Claims, truth: NatTruth) -> tuple[Mark, tuple[Field, ...]]:
    """Whether all that was claimed is true, and what is not.

    Without translation hairpinning is no question.
    """
    true: Mapping[Field, object] = {
        "answers": bool(truth.udp_answers and truth.udp_open),
        "present": truth.present,
        "mapping": truth.mapping,
        "filtering": truth.filtering,
        "hairpin": truth.hairpin,
        "port_preservation": truth.port_preservation,
    }
    # Where only some ports are let in from outside, the answer depends on the port that is asked.
    by_port = truth.udp_open_in not in (None, EVERY_PORT)
    stated = [
        field
        for field in claims
        if true[field] is not None and not (field == "filtering" and by_port)
    ]
    wrong = tuple(field for field in stated if true[field] not in claims[field])
    if wrong:
        return "wrong", wrong
    return ("right" if stated else "cannot tell"), ()
