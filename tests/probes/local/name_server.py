"""A small name server on the loopback, over UDP and TCP, that answers as a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Rule = Callable[[dns.message.Message], dns.message.Message | bytes | None]


class NameServer(asyncio.DatagramProtocol):
    """Answers each question by ``rule``; None is silence.  ``asked`` records name and type."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.asked: list[tuple[str, str]] = []
        self.reached = asyncio.Event()
        self.asked_by_tcp = 0
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self.answer(data)
        if answer is not None:
            self.transport.sendto(answer, addr)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked_by_tcp += 1
        question = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        # Over TCP nothing needs to be cut off.
        answer = self.answer(question, cut=False)
        if answer is not None:
            writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    def answer(self, data: bytes, cut: bool = True) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype)))
        self.reached.set()
        answer = self.rule(query)
        if isinstance(answer, dns.message.Message):
            if not cut:
                answer.flags &= ~dns.flags.TC
            return answer.to_wire()
        return answer

    def resolver(self) -> dns.asyncresolver.Resolver:
        """A resolver that knows only this server."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.port
        return resolver


@contextlib.asynccontextmanager
async def serving(rule: Rule) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    server = NameServer(rule)
    streams = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = streams.sockets[0].getsockname()[1]
    datagrams, _ = await loop.create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", server.port)
    )
    try:
        yield server
    finally:
        datagrams.close()
        streams.close()
        await streams.wait_closed()


def zone(**records: list[str]) -> Rule:
    """Answer from ``<type>=["name data", ...]``; a name without records does not exist."""
    table: dict[tuple[str, str], list[str]] = {}
    for kind, lines in records.items():
        for line in lines:
            name, _, data = line.partition(" ")
            table.setdefault((name, kind), []).append(data)
    names = {name for name, _ in table}

    def rule(query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query)
        if found := table.get((name, kind)):
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *found))
        elif name not in names:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    return rule


def always(rcode: dns.rcode.Rcode) -> Rule:
    def rule(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        return response

    return rule
