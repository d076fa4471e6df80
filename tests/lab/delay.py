"""Carries Ethernet frames between two interfaces, each way later by a fixed time.

For kernels without netem. It reads packet sockets rather than TUN devices: they keep frames
whole, checksum and segmentation state included, and need no device file, so they also work in
a user namespace. It ends when its standard input does, which is when the lab's process is gone.

    delay.py WEST EAST SECONDS
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
from collections import deque

if sys.platform != "linux":
    raise ImportError("packet sockets are Linux's")

ETH_P_ALL = 3
# linux/if_packet.h; the socket module does not name them
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
LONGEST = 1 << 17  # a segmentation-offload frame (64 KiB) with its headers
BATCH = 64  # frames read from one side before the other has its turn
EARLY_S = 0.0002  # the kernel wakes a sleeper about this late, so this centres the error on zero
BUFFER = 4 << 20  # octets; bursts of a whole port scan fit (the kernel may grant less)


def packet_socket(interface: str) -> socket.socket:
    """Every frame that arrives on `interface`, with the offload header in front."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    end.setblocking(False)
    end.bind((interface, ETH_P_ALL))
    return end


def carry(west: socket.socket, east: socket.socket, one_way_s: float) -> None:
    """Until standard input ends. The delay is constant, so each direction is a plain queue."""
    queues: dict[socket.socket, deque[tuple[float, bytes]]] = {west: deque(), east: deque()}
    clock = time.monotonic
    delay = one_way_s - EARLY_S
    while True:
        due = [queue[0][0] for queue in queues.values() if queue]
        timeout = max(0.0, min(due) - clock()) if due else None
        # select takes microseconds; epoll would round to milliseconds
        readable, _, _ = select.select([west, east, sys.stdin], [], [], timeout)
        if sys.stdin in readable:
            return
        for source, target in ((west, east), (east, west)):
            if source in readable:
                # drained, or the interface went down
                with contextlib.suppress(OSError):
                    for _ in range(BATCH):
                        frame = source.recv(LONGEST)
                        queues[target].append((clock() + delay, frame))
        now = clock()
        for target, queue in queues.items():
            while queue and queue[0][0] <= now:
                frame = queue.popleft()[1]
                # a full queue or a dead interface loses the frame, as a wire does
                with contextlib.suppress(OSError):
                    target.send(frame)


if __name__ == "__main__":
    ends = packet_socket(sys.argv[1]), packet_socket(sys.argv[2])
    os.write(1, b"ready\n")
    carry(*ends, float(sys.argv[3]))
