"""UDP with a certain port at either end, in each direction of travel (pure; fact M4)."""

from __future__ import annotations

from collections.abc import Sequence

from netcheck.diagnosis.met import Met
from netcheck.diagnosis.shut import SHUT
from netcheck.report.model import Port


def met(port: int, ports: Sequence[Port]) -> Met:
    """UDP with ``port`` as source and as destination, each direction of travel (M4).

    A reply that comes back to our port travels in with it as destination; one that
    comes from the server's travels in with it as source.
    """
    udp = [p for p in ports if p.transport == "udp"]
    source_out = _find(udp, "outbound", local_port=port)
    destination_out = _find(udp, "outbound", port=port)
    destination_in = _find(udp, "inbound", port=port)
    source_in = _find(udp, "inbound", remote_port=port)
    out = _both(_left(source_out), _left(destination_out))
    back = _both(_came(source_out, destination_in), _came(destination_out, source_in))
    used = tuple(
        p.observation
        for p in (source_out, destination_out, destination_in, source_in)
        if p and p.observation
    )
    name = f"UDP {port}"
    if out and back:
        return Met(outcome="met", used=used)
    if out is None or back is None:
        return Met(outcome="unknown", clause=f"{name} is undecided", used=used)
    if out:
        return Met(
            outcome="partly",
            clause=f"others hear you, you do not hear them: {name} does not come in",
            used=used,
        )
    if back:
        return Met(
            outcome="partly",
            clause=f"you hear others, they do not hear you: {name} does not get out",
            used=used,
        )
    return Met(outcome="unmet", clause=f"{name} gets through in neither direction", used=used)


def _find(
    ports: Sequence[Port],
    direction: str,
    *,
    port: int | None = None,
    local_port: int | None = None,
    remote_port: int | None = None,
) -> Port | None:
    return next(
        (
            p
            for p in ports
            if p.direction == direction
            and (port is None or p.port == port)
            and p.local_port == local_port
            and p.remote_port == remote_port
        ),
        None,
    )


def _left(probe: Port | None) -> bool | None:
    """Whether packets of this probe arrived at the server."""
    if probe is None:
        return None
    if probe.state == "open" or probe.reached_server:
        return True
    return False if probe.state in SHUT else None


def _came(probe: Port | None, call: Port | None) -> bool | None:
    """Whether packets come in: as the answer to a probe, or unasked."""
    states = {p.state for p in (probe, call) if p is not None}
    if "open" in states:
        return True
    return False if states and states <= SHUT and probe is not None else None


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return True if one and other else None
