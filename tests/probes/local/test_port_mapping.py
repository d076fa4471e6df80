"""Gateways that map ports, tell lies, or try to lead astray: fakes on the loopback."""

from __future__ import annotations

import socket
import time

import pytest

from probes import upnp, upnp_http
from probes.local import port_mapping
from probes.observation import PortMapper, PortMappers
from probes.path import Path
from tests.probes.local.fake_gateway import ADDRESS, NAT_PMP_OK, SCPD, Fake, ordinary, running

NAT_PMP_KNOWS_NO_PCP = bytes.fromhex("0080000100000007")


async def look_at(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> PortMappers:
    monkeypatch.setattr(port_mapping, "PMP_PORT", fake.pmp_port)
    monkeypatch.setattr(port_mapping, "SSDP_PORT", fake.ssdp_port)
    path = Path(server_address=ADDRESS, local_address=ADDRESS, began=time.monotonic())
    return await port_mapping.look(path, (ADDRESS,))


async def upnp_says(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> PortMapper:
    async with running(fake):
        seen = await look_at(fake, monkeypatch)
    assert seen.took_s < port_mapping.LISTEN_S + port_mapping.UPNP_S + 1
    [mapper] = [m for m in seen.found if m.protocol == "upnp-igd"]
    assert mapper.gateway == ADDRESS
    return mapper


async def test_all_three_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(Fake(pages=ordinary())) as fake:
        seen = await look_at(fake, monkeypatch)
    assert seen.found == (
        PortMapper(protocol="nat-pmp", gateway=ADDRESS, external_address="198.51.100.4"),
        PortMapper(protocol="pcp", gateway=ADDRESS),
        PortMapper(protocol="upnp-igd", gateway=ADDRESS, external_address="198.51.100.4"),
    )
    assert (seen.asked, seen.untested) == ((ADDRESS,), "")
    assert fake.asked == [
        "GET /root.xml HTTP/1.1", "GET /scpd.xml HTTP/1.1", "POST /ctl HTTP/1.1",
    ]  # fmt: skip


async def test_lost_questions_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(Fake(pages=ordinary(), deaf=4)) as fake:
        seen = await look_at(fake, monkeypatch)
    assert {m.protocol for m in seen.found} == {"nat-pmp", "pcp", "upnp-igd"}


async def test_one_that_knows_nat_pmp_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def pmp(question: bytes) -> bytes:
        return NAT_PMP_OK if question[0] == 0 else NAT_PMP_KNOWS_NO_PCP

    async with running(Fake(pages={}, ssdp=False, pmp=pmp)) as fake:
        seen = await look_at(fake, monkeypatch)
    assert [m.protocol for m in seen.found] == ["nat-pmp"]


@pytest.mark.parametrize("answer", [b"", b"\xff" * 2000, NAT_PMP_OK[:5], b"\x00\x81" + bytes(10)])
async def test_rubbish_is_nobody(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(Fake(pages={}, ssdp=False, pmp=lambda question: answer)) as fake:
        seen = await look_at(fake, monkeypatch)
    assert seen.found == ()
    assert seen.asked == (ADDRESS,)


async def test_a_gateway_without_any_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind((ADDRESS, 0))
        port = nobody.getsockname()[1]
    fake = Fake(pages={}, pmp_port=port, ssdp_port=port)
    seen = await look_at(fake, monkeypatch)
    assert (seen.found, seen.untested) == ((), "")
    assert seen.took_s < port_mapping.LISTEN_S + 0.5


@pytest.mark.parametrize("gateways", [(), ("fe80::1",), ("router.example", "")])
async def test_no_gateway_is_not_a_no(gateways: tuple[str, ...]) -> None:
    path = Path(server_address=ADDRESS, local_address=ADDRESS, began=time.monotonic())
    seen = await port_mapping.look(path, gateways)
    assert (seen.found, seen.asked, seen.untested) == ((), (), "no IPv4 gateway is known")


# ---- gateways that lead astray ----


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:PORT/root.xml",
        "http://localhost:PORT/root.xml",
        "https://127.0.0.1:PORT/root.xml",
        "http://127.0.0.1@192.0.2.1:PORT/root.xml",
        "http://x@127.0.0.1:PORT/root.xml",
        "http://127.0.0.1:PORT0000/root.xml",
        "http://127.0.0.1:0/root.xml",
        "http://[::1]:PORT/root.xml",
        "http://[/root.xml",
        "file:///etc/hostname",
    ],
)
async def test_a_description_elsewhere_is_not_fetched(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(pages=ordinary(), location=location)
    mapper = await upnp_says(fake, monkeypatch)
    assert mapper.external_address is None
    assert mapper.detail
    assert fake.asked == []


@pytest.mark.parametrize(
    "control",
    [
        "http://127.0.0.2:PORT/ctl",
        "http://192.0.2.1/ctl",
        "//127.0.0.2:PORT/ctl",
        "https://127.0.0.1:PORT/ctl",
        "http://x@127.0.0.1:PORT/ctl",
    ],
)
async def test_an_action_elsewhere_is_not_called(
    control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(pages=ordinary(control=control))
    mapper = await upnp_says(fake, monkeypatch)
    assert mapper.external_address is None
    assert mapper.detail
    assert [line.split(" ")[0] for line in fake.asked] in (["GET"], ["GET", "GET"])


async def test_a_redirection_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:PORT/scpd.xml\r\n\r\n"
    pages = {**ordinary(), "/root.xml": moved}
    fake = Fake(pages=pages)
    mapper = await upnp_says(fake, monkeypatch)
    assert mapper.detail
    assert fake.asked == ["GET /root.xml HTTP/1.1"]


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]><root xmlns="urn:schemas-upnp-org:device-1-0">&c;</root>"""


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\xff\xfe\x00",
        b"<root",
        b"<root/>",
        LAUGHS,
        b'<!DOCTYPE r SYSTEM "http://127.0.0.1:PORT/ctl"><r/>',
        b"<a>" * 9000 + b"</a>" * 9000,
        b"x" * (upnp_http.BODY_MAX + 1),
        b"HTTP/1.1 500 Oh\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nshort",
        b"HTTP/9 nonsense\r\n\r\n",
    ],
    ids=range(11),
)
@pytest.mark.parametrize("path", ["/root.xml", "/ctl"])
async def test_hostile_pages_give_a_reason(
    path: str, page: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper = await upnp_says(Fake(pages={**ordinary(), path: page}), monkeypatch)
    assert mapper.external_address is None
    assert mapper.detail.isprintable()
    assert 0 < len(mapper.detail) <= upnp.DETAIL_MAX


@pytest.mark.parametrize("path", ["/root.xml", "/scpd.xml", "/ctl"])
async def test_a_page_that_never_comes_costs_bounded_time(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper = await upnp_says(Fake(pages={**ordinary(), path: None}), monkeypatch)
    assert mapper.detail == "it took too long to describe itself"


async def test_a_gateway_with_countless_services(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (ordinary()["/root.xml"] or b"").decode()
    start, service, end = whole.partition("<serviceList>")[0], "", "</serviceList></device></root>"
    service = whole.partition("<serviceList>")[2].partition("</serviceList>")[0]
    many = f"{start}<serviceList>{service * 100}{end}".encode()
    fake = Fake(pages={**ordinary(), "/root.xml": many, "/scpd.xml": SCPD.encode()})
    mapper = await upnp_says(fake, monkeypatch)
    assert mapper.detail == "it asks for more requests than any gateway needs"
    assert len(fake.asked) == upnp_http.REQUESTS_MAX


@pytest.mark.parametrize(
    ("claimed", "address"),
    [
        ("198.51.100.4", "198.51.100.4"),
        ("10.1.2.3", "10.1.2.3"),  # double NAT says so
        ("0.0.0.0", None),
        ("", None),
        ("2001:db8::1", None),
        ("1.2.3.4; reboot", None),
    ],
)
async def test_what_is_claimed_is_an_address_or_nothing(
    claimed: str, address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper = await upnp_says(Fake(pages=ordinary(claimed)), monkeypatch)
    assert mapper.external_address == address
    assert bool(mapper.detail) == (address is None)
