"""Every bound of the echo server, with its reason, and a token bucket."""

from __future__ import annotations

import secrets

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
    taken_per_s: float = 50.0  # ports named that another program has: few are, and none comes free
    taken_burst: int = 1024
    dynamic_s: float = 30.0  # long enough for ten tries over a slow path
    connections: int = 4096  # echo connections in all
    connections_per_source: int = 1024  # forty a check, and many checks behind one carrier address
    first_frame_s: float = 10.0  # a frame is 128 bytes; even at 2 s round trip it is here by then
    connection_s: float = 60.0  # the longest an echo connection is held for a probe
    proved_connection_s: float = 660.0  # a deep check leaves some idle for ten minutes
    endpoints: int = 64  # proved (address, port) pairs of one session: a deep check has 45
    punches: int = 48  # simultaneous opens in a session: sixteen tries, and twice again
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
    media_s: float = 120.0  # of media in a session: a deep check takes 20, and may be repeated
    media_bytes_per_s: int = 65_536  # each way, of one request; a check wants 27,000
    media_unheard_s: float = 4.0  # of a stream that the client is not heard on: a check has 3 s
    media_in_all: int = 64  # at the same time: 4 MB and, of checks, 5000 packets a second each way
    media_per_source: int = 16  # a quarter of all
    terminal_s: float = 15.0  # a second of media, and two connections whose SYN may get lost
    terminals_in_all: int = 64  # at the same time; as many as may have media, for the same reasons
    terminals_per_source: int = 16  # a quarter of all; a check has two
    spoken_connections: int = 1024  # in other protocols, at the same time; each keeps up to 33 kB
    spoken_connections_per_source: int = 256  # twenty a check, and a dozen checks at the same time
    spoken_bytes: int = 16_384  # from one such connection, read at once; a dialogue has 3 kB
    spoken_per_s: float = 200.0  # of one source: segments, datagrams; work beyond 1 ms costs more
    spoken_burst: int = 2000  # a check has 150 within seconds, and a dozen of them
    spoken_flows: int = (
        256  # flows of datagrams that one port remembers; forged ones push others out
    )
    overheard: int = 512  # messages of other protocols in a session; a check has 150
    overheard_bytes: int = 262_144  # of all of them; a check has 40 kB
    unread_records: int = 4096  # connections and flows that made no message, a kilobyte each
    unread_per_s: float = 20.0  # questions about them: looking through all takes 2 ms
    unread_burst: int = 256  # one or two for each of seventy dialogues
    stun_gain_per_s: float = 10.0  # larger answers to one source: a foreign client asks 30 times
    stun_gain_burst: int = 100  # a few foreign clients behind one address at the same moment
    stun_unsent: int = 65_536  # bytes of answers that wait because the network card is behind
    stun_connections: int = 512  # STUN over TCP: a check has eight at once
    stun_connections_per_source: int = 128  # sixteen checks behind one address
    stun_requests: int = 1000  # on one connection: asked ten times a second while it may last
    stun_message: int = 2048  # bytes of a request over TCP; 64 attributes without PADDING fit


FILES_RESERVED = 128
"""File descriptors for listeners, logs, the certificate and what asyncio itself needs."""


CALL_FILES = 2
"""Sockets of one call: a simultaneous open keeps its port by a second one."""

MEDIA_FILES = 8
"""Sockets of one request for media: RTP and RTCP of at most four streams."""


TERMINAL_FILES = 7
"""Sockets of one call: the port of its control channel, RTP and RTCP of two media, and where the
server calls, two connections.  While it tries to connect it has no more: see CALL_FILES."""


def fitted(limits: ServerLimits, files: int) -> ServerLimits:
    """``limits`` scaled down to what a process with ``files`` descriptors can hold open, so
    that no kind of connection can take the last ones from another."""
    wanted = limits.connections + limits.control_connections + limits.dynamic_ports_total
    wanted += limits.stun_connections + limits.media_in_all * MEDIA_FILES
    wanted += limits.terminals_in_all * TERMINAL_FILES
    share = min(1.0, max(0, files - FILES_RESERVED) / (wanted + limits.calls_in_all * CALL_FILES))

    def scaled(count: int, least: int = 8) -> int:
        return min(count, max(least, int(count * share)))

    def some(per_source: int, in_all: int) -> int:
        """Four have to be possible where there are so many at all."""
        in_all = scaled(in_all, 1)
        return min(per_source, in_all, max(4, in_all // 2))

    return msgspec.structs.replace(
        limits,
        connections=scaled(limits.connections),
        connections_per_source=min(
            limits.connections_per_source, max(64, scaled(limits.connections) // 2)
        ),
        spoken_connections=(
            spoken := min(limits.spoken_connections, max(8, scaled(limits.connections) // 2))
        ),
        spoken_connections_per_source=min(
            limits.spoken_connections_per_source, max(4, spoken // 2)
        ),
        control_connections=scaled(limits.control_connections),
        control_connections_per_source=min(
            limits.control_connections_per_source, max(8, scaled(limits.control_connections) // 2)
        ),
        dynamic_ports_total=scaled(limits.dynamic_ports_total),
        calls_in_all=scaled(limits.calls_in_all),
        media_in_all=scaled(limits.media_in_all, 1),
        media_per_source=some(limits.media_per_source, limits.media_in_all),
        terminals_in_all=scaled(limits.terminals_in_all, 1),
        terminals_per_source=some(limits.terminals_per_source, limits.terminals_in_all),
        stun_connections=scaled(limits.stun_connections),
        stun_connections_per_source=min(
            limits.stun_connections_per_source, max(8, scaled(limits.stun_connections) // 2)
        ),
    )


class Bucket:
    """A token bucket: ``rate`` tokens a second, at most ``burst`` saved up."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float, count: int = 1) -> bool:
        """Take ``count`` tokens, or say that there are not so many."""
        self._refill(now)
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    def give_back(self, count: int) -> None:
        """Tokens that were taken and not used."""
        self._tokens = min(self._burst, self._tokens + count)

    def owe(self, now: float, count: int) -> None:
        """``count`` tokens have been used already, whether or not there are so many."""
        self._refill(now)
        self._tokens -= count

    def wait_s(self, now: float) -> float:
        """Seconds until the next token is there."""
        self._refill(now)
        return max(0.0, (1 - self._tokens) / self._rate)

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now


SHARED_BUCKETS = 4096
"""How many buckets all sources share: about 1 MB when every one of them is in use."""


class SharedBuckets:
    """Token buckets for any number of sources in bounded memory.

    Each source has one of a fixed number of buckets, by a hash that is secret to this process:
    a flood of forged sources can empty buckets, but neither refill one nor get round it.
    """

    def __init__(self, rate: float, burst: float, count: int = SHARED_BUCKETS) -> None:
        self._rate, self._burst, self._count = rate, burst, count
        self._secret = secrets.token_bytes(16)
        self._buckets: dict[int, Bucket] = {}

    def take(self, source: str, now: float) -> bool:
        """Take one token of ``source``'s bucket, or say that there is none."""
        return self._of(source, now).take(now)

    def owe(self, source: str, now: float, count: int) -> None:
        """``count`` tokens of ``source``'s bucket have been used already."""
        self._of(source, now).owe(now, count)

    def _of(self, source: str, now: float) -> Bucket:
        place = hash((self._secret, source)) % self._count
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = Bucket(self._rate, self._burst, now)
        return bucket
