"""What IPsec and PPTP themselves would do: their data has no ports, and some NATs and firewalls
know TCP and UDP alone (pure)."""

from __future__ import annotations

from netcheck.diagnosis.facts import Facts
from probes import silence
from probes.observation import RawProtocol

_OF: dict[str, tuple[str, ...]] = {"ipsec": ("esp", "ah"), "pptp": ("gre",)}
_WHAT = {
    "esp": "IPsec's own packets (ESP)",
    "ah": "signed packets (AH)",
    "gre": "the call's data (GRE)",
}


def sentence(facts: Facts, protocol: str) -> str:
    """Of the protocols that carry the data of ``protocol``, as far as something is known;
    begins with a semicolon, or is empty."""
    wanted = _OF.get(protocol, ())
    found = [_clause(facts, each) for each in facts.raw if each.protocol in wanted]
    return "".join(f"; {clause}" for clause in found if clause)


def evidence(facts: Facts, protocol: str) -> list[str]:
    wanted = _OF.get(protocol, ())
    return [each.id for each in facts.raw if each.protocol in wanted and not each.untested]


def _clause(facts: Facts, raw: RawProtocol) -> str:
    what = _WHAT[raw.protocol]
    if raw.untested or not raw.sent:
        return ""
    translated = raw.source is not None and raw.source != raw.local
    if raw.protocol == "ah" and translated:
        return f"{what} arrive useless: their signature covers the address, and it was changed"
    verb = "passes" if raw.protocol == "gre" else "pass"
    if raw.answered:
        return f"{what} {verb} as well"
    chance = facts.chance_of_silence("udp", raw.sent)
    if not facts.trusted_silence or not silence.rules_out_loss(raw.sent, chance):
        return ""
    if raw.reached_server:
        return f"{what} {'goes' if raw.protocol == 'gre' else 'go'} out, and no answer comes in"
    return f"{what} {'does' if raw.protocol == 'gre' else 'do'} not pass"
