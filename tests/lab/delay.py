"""Carries Ethernet frames between two interfaces, each way later by some time.

Each frame waits `one_way_s` and up to `jitter_s` more, evenly spread, without overtaking; with
`jitter_frames` only so many of the first ones in each direction wait for more. Of all frames, the
share `reorder` waits REORDER_S longer, so that later ones overtake it, and the share `duplicate`
goes out twice.

For kernels without netem. It reads packet sockets rather than TUN devices: they keep frames
whole, checksum and segmentation state included, and need no device file, so they also work in
a user namespace. It ends when its standard input does, which is when the lab's process is gone.

    delay.py WEST EAST '{"one_way_s": 0.025, "jitter_s": 0, "reorder": 0, "duplicate": 0}'
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import random
import select
import socket
import sys
import time
from typing import NamedTuple

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
REORDER_S = 0.05  # two packets of a voice codec that sends one each 20 ms overtake it
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


class Wire(NamedTuple):
    """What a frame meets; shares are from 0 to 1."""

    one_way_s: float
    jitter_s: float = 0
    jitter_frames: int | None = None
    reorder: float = 0
    duplicate: float = 0


class Queue:
    """The frames under way in one direction, by the time they are due."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._frames: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._latest = 0.0
        self._left = wire.jitter_frames

    def add(self, now: float, frame: bytes) -> None:
        wire = self._wire
        due = now + wire.one_way_s - EARLY_S
        if self._left is None or self._left > 0:
            due += random.uniform(0, wire.jitter_s)
            self._left = None if self._left is None else self._left - 1
        # jitter alone keeps the order: a frame is never due before the one ahead of it
        self._latest = due = max(due, self._latest)
        if random.random() < wire.reorder:
            due += REORDER_S
        for _ in range(2 if random.random() < wire.duplicate else 1):
            heapq.heappush(self._frames, (due, next(self._order), frame))

    def due(self) -> float | None:
        """When the next frame goes out."""
        return self._frames[0][0] if self._frames else None

    def take(self, now: float) -> bytes | None:
        """A frame whose time has come."""
        if self._frames and self._frames[0][0] <= now:
            return heapq.heappop(self._frames)[2]
        return None


def carry(west: socket.socket, east: socket.socket, wire: Wire) -> None:
    """Until standard input ends."""
    queues = {west: Queue(wire), east: Queue(wire)}
    clock = time.monotonic
    while True:
        due = [at for queue in queues.values() if (at := queue.due()) is not None]
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
                        queues[target].add(clock(), frame)
        now = clock()
        for target, queue in queues.items():
            while (due_frame := queue.take(now)) is not None:
                # a full queue or a dead interface loses the frame, as a wire does
                with contextlib.suppress(OSError):
                    target.send(due_frame)


if __name__ == "__main__":
    ends = packet_socket(sys.argv[1]), packet_socket(sys.argv[2])
    os.write(1, b"ready\n")
    carry(*ends, Wire(**json.loads(sys.argv[3])))
