"""Every bound of the echo server, with its reason, and a token bucket."""

from __future__ import annotations

import msgspec


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and counts.  The defaults suit a small public server."""

    sessions: int = 512  # each costs about 100 kB with its TLS connection
    sessions_per_source: int = 128  # a carrier's pool puts many homes behind one address
    session_s: float = 900.0  # a deep check takes minutes; a forgotten client must not stay
    heartbeat_s: float = 5.0  # told to the client; three missed ends the session
    messages_per_s: float = 400.0  # a check pings 25 times a second and asks for a few things
    message_burst: int = 400
    ledgers_per_s: float = 1.0  # a check asks once or twice; a full ledger costs milliseconds
    ledger_burst: int = 8
    frames: int = 50_000  # echo frames in a whole session: a deep sample of the dynamic range
    frames_per_s: float = 1000.0
    frame_burst: int = 1000
    ledger_lines: int = 4096  # distinct (port, probe, source); 4096 lines fit in one message
    calls: int = 1000  # connect-backs in a session; a check makes about 100
    calls_per_s: float = 200.0  # a check wants 15 ports at once, six times in a second
    call_burst: int = 60
    calls_in_all: int = 2048  # under way at the same time, of all sessions
    calls_at_once: int = 256  # 15 ports sixteen times, where every call waits to the end
    dynamic_ports: int = 256  # open at the same time in one session
    dynamic_ports_total: int = 4096  # leaves most of the range to the machine itself
    dynamic_s: float = 30.0  # long enough for ten tries over a slow path
    connections: int = 4096  # echo connections in all
    connections_per_source: int = 1024  # forty a check, and many checks behind one carrier address
    first_frame_s: float = 10.0  # a frame is 128 bytes; even at 2 s round trip it is here by then
    connection_s: float = 60.0  # the longest an echo connection is held for a probe
    control_connections_per_source: int = 160  # its sessions, and a few that are beginning
    target_calls_per_s: float = 500.0  # to one address, whoever asks: no more than a busy home gets
    target_burst: int = 500
    target_records: int = 4096  # addresses whose rate is remembered
    dynamic_ports_per_source: int = 1024  # a quarter of all
    control_connections: int = 1024  # including those that have not asked for anything yet
    request_s: float = 10.0  # from the TCP connection to a complete request, TLS included
    drain_s: float = 20.0  # at shutdown: what the longest default check may still need
    stray_records: int = 512  # frames of 128 bytes that came altered, or from scanners
    source_records: int = 8192  # remembered (address, port) pairs of bare connections


FILES_RESERVED = 128
"""File descriptors for listeners, logs, the certificate and what asyncio itself needs."""


def fitted(limits: ServerLimits, files: int) -> ServerLimits:
    """``limits`` scaled down to what a process with ``files`` descriptors can hold open, so
    that no kind of connection can take the last ones from another."""
    wanted = limits.connections + limits.control_connections + limits.dynamic_ports_total
    share = min(1.0, max(0, files - FILES_RESERVED) / (wanted + limits.calls_in_all))

    def scaled(count: int) -> int:
        return min(count, max(8, int(count * share)))

    return msgspec.structs.replace(
        limits,
        connections=scaled(limits.connections),
        connections_per_source=min(
            limits.connections_per_source, max(64, scaled(limits.connections) // 2)
        ),
        control_connections=scaled(limits.control_connections),
        control_connections_per_source=min(
            limits.control_connections_per_source, max(8, scaled(limits.control_connections) // 2)
        ),
        dynamic_ports_total=scaled(limits.dynamic_ports_total),
        calls_in_all=scaled(limits.calls_in_all),
    )


class Bucket:
    """A token bucket: ``rate`` tokens a second, at most ``burst`` saved up."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float) -> bool:
        """Take one token, or say that there is none."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait_s(self, now: float) -> float:
        """Seconds until the next token is there."""
        self._refill(now)
        return max(0.0, (1 - self._tokens) / self._rate)

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
