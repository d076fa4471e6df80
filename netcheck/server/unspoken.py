"""The ports of other protocols that could not be had, in one line: not all operators want them."""

from __future__ import annotations

from probes.wire.messages import TransportName


class Unspoken:
    def __init__(self) -> None:
        self._lacking: dict[tuple[str, TransportName, int], list[str]] = {}

    def add(self, address: str, where: tuple[TransportName, int], reason: str) -> None:
        self._lacking.setdefault((reason, *where), []).append(address)

    def in_words(self, addresses: int) -> list[str]:
        """One line or none.  ``addresses``: how many the server has."""
        ports: dict[tuple[str, str], dict[TransportName, list[int]]] = {}
        for (reason, transport, port), lacking in self._lacking.items():
            where = "" if len(lacking) == addresses else f" on {_and(lacking)}"
            ports.setdefault((where, reason), {}).setdefault(transport, []).append(port)
        said = [f"{_ports(each)}{where} ({reason})" for (where, reason), each in ports.items()]
        return [f"other protocols on {'; '.join(said)}"] if said else []


def _ports(by_transport: dict[TransportName, list[int]]) -> str:
    return ", ".join(
        f"{transport.upper()} {_and([str(port) for port in sorted(each)])}"
        for transport, each in by_transport.items()
    )


def _and(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
