"""Whether addresses are translated on the way, as far as ordinary probes show (pure)."""

from __future__ import annotations

from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Nat


def judge(facts: Facts) -> Nat:
    """Presence and public addresses; how a NAT behaves needs probes of its own."""
    control = facts.control
    if control is None or not control.local_address:
        return Nat()
    seen = [
        o.source.rpartition(":")[0].strip("[]")
        for o in (*facts.outbound_tcp, *facts.outbound_udp)
        if o.source
    ]
    if not seen and control.observed_address and not control.via_proxy:
        seen = [control.observed_address.rpartition(":")[0].strip("[]")]
    public = list(dict.fromkeys(seen))
    if not public:
        return Nat()
    return Nat(
        present=any(address != control.local_address for address in public),
        public_addresses=public,
    )
