"""The remote management interface, which every RPC server has (C706 appendix Q)."""

from __future__ import annotations

from collections.abc import Sequence

from probes.wire.dce.bind import Syntax
from probes.wire.dce.ends import Interface
from probes.wire.dce.ndr import Reader, Writer
from probes.wire.end import Own

SYNTAX = Syntax.of("afa8bd80-7d8a-11c9-bef4-08002b102989", 1, 0)
INQ_IF_IDS, INQ_STATS, IS_SERVER_LISTENING, STOP_SERVER_LISTENING, INQ_PRINC_NAME = range(5)

_STATISTICS = 4  # calls in and out, packets in and out


def interface(offered: Sequence[Syntax]) -> Interface:
    """The management of a server that has the ``offered`` interfaces, this one apart."""

    def inq_if_ids(own: Own, reader: Reader) -> bytes:
        writer = Writer()
        writer.pointer()
        writer.number(4, len(offered), len(offered))
        for _ in offered:
            writer.pointer()
        for syntax in offered:
            writer.uuid(syntax.uuid)
            writer.number(2, syntax.major, syntax.minor)
        writer.number(4, 0)
        return writer.written()

    return Interface(
        SYNTAX,
        {
            INQ_IF_IDS: inq_if_ids,
            INQ_STATS: _inq_stats,
            IS_SERVER_LISTENING: _is_server_listening,
            STOP_SERVER_LISTENING: None,
            INQ_PRINC_NAME: None,
        },
    )


def _inq_stats(own: Own, reader: Reader) -> bytes:
    """Nothing is counted: zeros."""
    count = min(reader.number(4), _STATISTICS)
    writer = Writer()
    writer.number(4, count, count, *(0 for _ in range(count)), 0)
    return writer.written()


def _is_server_listening(own: Own, reader: Reader) -> bytes:
    writer = Writer()
    writer.number(4, 0, 1)  # status, and true
    return writer.written()
