"""How the check of a report is made again: the options that name the same server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netcheck.report.model import Report

_HOST = (
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9A-Fa-f:.]{2,45}|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::[0-9]{1,5})?"
)
_OPTIONS = re.compile(
    rf"(?:--server {_HOST}"
    rf'|--server "netcheck://{_HOST}(?:\?also=[0-9A-Fa-f.:,]{{2,200}})?#[0-9a-f]{{64}}"'
    rf"|--stun {_HOST}(?: --stun {_HOST})?)(?: --insecure)?"
)


def is_safe(options: str) -> bool:
    """Whether these are such options and nothing else: a report may come from anywhere, and
    what it says is typed into a shell."""
    return _OPTIONS.fullmatch(options) is not None


def options(report: Report) -> str | None:
    """The options, or None where the server's host alone is enough.  Not yet `is_safe`."""
    # Loaded here: what says only where an article is does not wait for these.
    from probes.observation import Control, NatMapping, StunSeen
    from probes.wire.link import CONTROL_PORTS, Link

    server = report.server
    if server.embedded:
        return ""
    control = next((o for o in report.observations if isinstance(o, Control)), None)
    asked = [
        mapped.destination.rpartition(":")[0].strip("[]")
        for o in report.observations
        if isinstance(o, NatMapping)
        for mapped in o.seen
    ]
    if control is None:
        seen = next((o for o in report.observations if isinstance(o, StunSeen)), None)
        if seen is None:
            return None
        first = seen.server.rpartition(":")[0].strip("[]")
        second = "".join(f" --stun {address}" for address in _others(asked, first))
        return f"--stun {seen.server}{second}"
    port = next((a.port for a in control.attempts if a.outcome == "connected"), None)
    if server.certificate == "pinned" and port is not None:
        also = _others(asked, control.server_address or server.host)
        # Double quotes: a shell leaves the ? and the # in them alone, and so does Windows.
        return f'--server "{Link(server.host, (port,), server.fingerprint, also)}"'
    usual = port is None or port in CONTROL_PORTS
    insecure = " --insecure" if server.certificate == "unchecked" else ""
    if usual and not insecure:
        return None
    host = f"[{server.host}]" if ":" in server.host and not usual else server.host
    return f"--server {host}{'' if usual else f':{port}'}{insecure}"


def _others(asked: list[str], first: str) -> tuple[str, ...]:
    """The server's other address, if it was sent to: then the user has vouched for it.  What
    only the server named does not get into a command in which the user would."""
    return tuple(dict.fromkeys(a for a in asked if a != first))[:1]
