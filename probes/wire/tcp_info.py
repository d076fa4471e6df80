"""What Linux tells of a TCP connection in ``struct tcp_info`` (pure; linux/tcp.h)."""

from __future__ import annotations

import struct

SIZE = 104  # up to and with tcpi_total_retrans, the same since Linux 2.6
_TOTAL_RETRANS = struct.Struct("@I")
_OFFSET = 100


def retransmissions(info: bytes) -> int | None:
    """Segments sent again since the connection began; None if the kernel told too little."""
    if len(info) < SIZE:
        return None
    count: int = _TOTAL_RETRANS.unpack_from(info, _OFFSET)[0]
    return count
