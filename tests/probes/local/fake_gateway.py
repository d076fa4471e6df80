"""A gateway on the loopback that answers SSDP, HTTP, NAT-PMP and PCP as a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import cast

import msgspec

ADDRESS = "127.0.0.1"
DEVICE = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"

DESCRIPTION = f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
  <deviceType>{DEVICE}</deviceType><friendlyName>fake</friendlyName>
  <manufacturer>m</manufacturer><modelName>n</modelName><UDN>uuid:1</UDN>
  <serviceList><service>
    <serviceType>{SERVICE}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
    <SCPDURL>/scpd.xml</SCPDURL><controlURL>CONTROL</controlURL><eventSubURL>/evt</eventSubURL>
  </service></serviceList>
</device></root>"""
SCPD = """<?xml version="1.0"?>
<scpd xmlns="urn:schemas-upnp-org:service-1-0"><actionList><action>
  <name>GetExternalIPAddress</name><argumentList><argument>
    <name>NewExternalIPAddress</name><direction>out</direction>
    <relatedStateVariable>ExternalIPAddress</relatedStateVariable>
  </argument></argumentList></action></actionList>
  <serviceStateTable><stateVariable sendEvents="no">
    <name>ExternalIPAddress</name><dataType>string</dataType>
  </stateVariable></serviceStateTable></scpd>"""
SOAP = f"""<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<u:GetExternalIPAddressResponse xmlns:u="{SERVICE}">
<NewExternalIPAddress>ADDRESS</NewExternalIPAddress>
</u:GetExternalIPAddressResponse></s:Body></s:Envelope>"""


PCP_OK = bytes.fromhex("028000000000000000000007" + "00" * 12)
NAT_PMP_OK = bytes.fromhex("0080000000000007c6336404")


def both(question: bytes) -> bytes:
    """NAT-PMP and PCP, well answered."""
    return NAT_PMP_OK if question[0] == 0 else PCP_OK


class Fake(msgspec.Struct, kw_only=True):
    """What it answers: None is silence.  ``pages`` are HTTP bodies by path, or whole answers
    where they begin with a status line; "PORT" in a body is the HTTP port."""

    pages: dict[str, bytes | None]
    location: str = f"http://{ADDRESS}:PORT/root.xml"
    ssdp: bool = True
    pmp: Callable[[bytes], bytes | None] = both
    deaf: int = 0  # the first so many datagrams are lost
    asked: list[str] = []  # HTTP request lines
    datagrams: int = 0
    http_port: int = 0
    ssdp_port: int = 0
    pmp_port: int = 0


def ordinary(
    address: str = "198.51.100.4", control: str = "/ctl", **pages: bytes | None
) -> dict[str, bytes | None]:
    return {
        "/root.xml": DESCRIPTION.replace("CONTROL", control).encode(),
        "/scpd.xml": SCPD.encode(),
        "/ctl": SOAP.replace("ADDRESS", address).encode(),
        **{f"/{name}": page for name, page in pages.items()},
    }


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, fake: Fake, answer: Callable[[bytes], bytes | None]) -> None:
        self.fake, self.answer = fake, answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.fake.datagrams += 1
        if self.fake.datagrams > self.fake.deaf and (answer := self.answer(data)) is not None:
            self.transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def running(fake: Fake) -> AsyncIterator[Fake]:
    loop = asyncio.get_running_loop()

    def found(data: bytes) -> bytes | None:
        if not fake.ssdp or not data.startswith(b"M-SEARCH"):
            return None
        location = fake.location.replace("PORT", str(fake.http_port))
        return f"HTTP/1.1 200 OK\r\nST: {DEVICE}\r\nLOCATION: {location}\r\n\r\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            line = (await reader.readline()).decode(errors="replace")
            fake.asked.append(line.strip())
            path = line.partition(" ")[2].partition(" ")[0]
            page = fake.pages.get(path, b"HTTP/1.1 404 Not Found\r\n\r\n")
            if page is None:
                await reader.read()  # until the other side gives up
            else:
                page = page.replace(b"PORT", str(fake.http_port).encode())
                if not page.startswith(b"HTTP/"):
                    page = b"HTTP/1.1 200 OK\r\n\r\n" + page
                writer.write(page)
                await writer.drain()
        writer.close()

    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(await asyncio.start_server(serve, ADDRESS, 0))
        fake.http_port = http.sockets[0].getsockname()[1]
        for name, answer in (("ssdp_port", found), ("pmp_port", fake.pmp)):
            transport, _ = await loop.create_datagram_endpoint(
                lambda answer=answer: _Datagrams(fake, answer),  # type: ignore[misc]
                local_addr=(ADDRESS, 0),
            )
            stack.callback(transport.close)
            setattr(fake, name, transport.get_extra_info("sockname")[1])
        yield fake
