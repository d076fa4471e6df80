"""The way to a server: from which of our addresses packets leave, and how many were lost."""

from __future__ import annotations

import socket

from probes.observation import Loss
from probes.path import Path


def address_towards(target: str) -> str:
    """The local address from which packets to ``target`` leave; nothing is sent."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((target, 9))  # UDP "connects" without a packet
        except OSError:
            return "::" if family is socket.AF_INET6 else "0.0.0.0"
        address: str = sock.getsockname()[0]
        return address


def loss_of(path: Path, took_s: float) -> Loss:
    """What was tried and lost until now."""
    tcp, udp = path.tallies["tcp"], path.tallies["udp"]
    return Loss(
        id="loss",
        at_s=0.0,
        took_s=took_s,
        control_sent=path.control_tally.sent,
        control_lost=path.control_tally.lost,
        tcp_sent=tcp.sent,
        tcp_lost=tcp.lost,
        udp_sent=udp.sent,
        udp_lost=udp.lost,
    )
