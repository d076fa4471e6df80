"""The network's resolver: answers A, AAAA and SRV from a table, over UDP and TCP.

Each line of standard input is a JSON object with the fields of `description.Dns` and replaces
the table; "ready" is printed when it is in force. It ends when its standard input does.

    dns_server.py ADDRESS ...
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import socketserver
import sys
import threading
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 1  # seconds: a scenario may change the table, and a client's cache must not hide it


class Table:
    """The records in force."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.mode: str = told["mode"]
        self.hijack_to: str | None = told["hijack_to"]
        self.hosts = {dns.name.from_text(name): value for name, value in told["hosts"].items()}
        self.services = {dns.name.from_text(n): value for n, value in told["services"].items()}

    def answer(self, query: bytes) -> bytes | None:
        """The response, or None for silence."""
        if self.mode == "silent":
            return None
        request = dns.message.from_wire(query)
        response = dns.message.make_response(request, recursion_available=True)
        if self.mode == "servfail":
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        for question in request.question:
            addresses, services = self.hosts.get(question.name), self.services.get(question.name)
            if addresses is None and services is None:
                if self.hijack_to is None:
                    response.set_rcode(dns.rcode.NXDOMAIN)
                    continue
                addresses = [self.hijack_to]
            texts = _records(question.rdtype, addresses or [], services or [])
            if texts:
                response.answer.append(
                    dns.rrset.from_text_list(question.name, TTL, "IN", question.rdtype, texts)
                )
        return response.to_wire(max_size=65535)


def _records(kind: int, addresses: list[str], services: list[Any]) -> list[str]:
    if kind == dns.rdatatype.SRV:
        return [
            f"{priority} {weight} {port} {target}." for priority, weight, port, target in services
        ]
    version = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(dns.rdatatype.RdataType.make(kind))
    return [each for each in addresses if ipaddress.ip_address(each).version == version]


table: Table


class Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        query, sock = self.request
        if (response := table.answer(query)) is not None:
            sock.sendto(response, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while length := self.rfile.read(2):
            query = self.rfile.read(int.from_bytes(length, "big"))
            if (response := table.answer(query)) is not None:
                self.wfile.write(len(response).to_bytes(2, "big") + response)


def serve(address: str) -> None:
    """Answers on `address` in threads of its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for base, handler in (
        (socketserver.ThreadingUDPServer, Udp),
        (socketserver.ThreadingTCPServer, Tcp),
    ):
        kind = type(base.__name__, (base,), {"address_family": family, "daemon_threads": True})
        server = kind((address, 53), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    # The first table comes when the addresses exist, so this program may start before them.
    table = Table(json.loads(sys.stdin.readline()))
    for own_address in sys.argv[1:]:
        serve(own_address)
    os.write(1, b"ready\n")
    for line in sys.stdin:
        table = Table(json.loads(line))
        os.write(1, b"ready\n")
