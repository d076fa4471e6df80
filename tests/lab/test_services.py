"""The resolver, the proxies and the other programs of a lab do what a scenario relies on."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.lab.description import PROXY_PORT, SERVER, SERVER_V6, Protocol
from tests.lab.network import Dns, Lab, LabError, Network, Transparent
from tests.lab.process import NodeProcess
from tests.lab.traffic import PATIENCE_S, SILENCE_S, plain, talk

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")


# names

ECHO = Dns(
    hosts={"echo.example.net": (SERVER, SERVER_V6)},
    services={"_check._tcp.example.net": ((0, 5, 443, "echo.example.net"),)},
)


def ask(
    lab: Lab, name: str, kind: str, *, tcp: bool = False, timeout: float = PATIENCE_S
) -> tuple[str, list[str]]:
    query = dns.message.make_query(name, kind)
    how = dns.query.tcp if tcp else dns.query.udp
    with lab.inside("client"):
        response = how(query, lab.network.resolver, timeout=timeout)
    texts = [str(record) for rrset in response.answer for record in rrset]
    return dns.rcode.to_text(response.rcode()), texts


def test_dns_table() -> None:
    with Lab(Network(dns=ECHO)) as lab:
        assert ask(lab, "echo.example.net", "A") == ("NOERROR", [SERVER])
        assert ask(lab, "ECHO.example.net", "AAAA", tcp=True) == ("NOERROR", [SERVER_V6])
        assert ask(lab, "_check._tcp.example.net", "SRV") == (
            "NOERROR",
            ["0 5 443 echo.example.net."],
        )
        assert ask(lab, "echo.example.net", "TXT") == ("NOERROR", [])
        assert ask(lab, "nothing.example.net", "A") == ("NXDOMAIN", [])


def test_dns_misbehaviour_at_run_time() -> None:
    with Lab(Network(ipv4=False, ipv6=True)) as lab:
        assert ask(lab, "echo.example.net", "A") == ("NXDOMAIN", [])
        lab.set_dns(Dns(hijack_to="203.0.113.99"))
        assert ask(lab, "echo.example.net", "A") == ("NOERROR", ["203.0.113.99"])
        assert ask(lab, "echo.example.net", "AAAA") == ("NOERROR", [])
        lab.set_dns(Dns(mode="servfail"))
        assert ask(lab, "echo.example.net", "A") == ("SERVFAIL", [])
        lab.set_dns(Dns(mode="silent"))
        with pytest.raises(dns.exception.Timeout):
            ask(lab, "echo.example.net", "A", timeout=SILENCE_S)


def test_programs_in_nodes_use_the_labs_resolver() -> None:
    before = Path("/etc/resolv.conf").read_bytes()
    code = "import socket; print(socket.gethostbyname('echo.example.net'))"
    with Lab(Network(dns=ECHO, nat=False)) as lab:
        for node in ("client", "server"):
            done = lab.run(node, [sys.executable, "-c", code])
            assert done.stdout == SERVER + "\n", done.stderr
    assert Path("/etc/resolv.conf").read_bytes() == before


# middleboxes


ECHO_PROGRAM = """
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            print(data, flush=True)
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    address_family = socketserver.socket.AF_INET6
    daemon_threads = True
Server(("::", int(sys.argv[1])), Echo).serve_forever()
"""


def echo_server(lab: Lab, port: int) -> NodeProcess:
    process = lab.popen("server", [sys.executable, "-c", ECHO_PROGRAM, str(port)])
    lab.wait_listening("server", "tcp", port)
    return process


def test_http_proxy_connects_to_its_ports_only() -> None:
    with Lab(Network(http_proxy=True, dns=ECHO)) as lab:
        lab.accepting("server", [443, 444], "BANNER")

        def ask_for(port: int) -> bytes:
            request = f"CONNECT echo.example.net:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            return talk(lab, PROXY_PORT, request, until=b"BANNER", to=lab.network.router)

        allowed, refused = ask_for(443), ask_for(444)
    assert allowed.startswith(b"HTTP/1.0 200")
    assert allowed.endswith(b"\r\n\r\nBANNER")
    assert refused.startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("address", [SERVER, SERVER_V6])
def test_transparent_proxies(address: str) -> None:
    boxes = (
        Transparent((80, "90-91"), "answer"),
        Transparent(81, "swallow"),
        Transparent(82, "alter"),
        Transparent(83, "alter", direction="out", alteration="xor"),
        Transparent(84, "alter", direction="in", replace=(b"192.168.77.2", b"203.0.113.2")),
    )
    with Lab(plain(transparent=boxes, ipv6=True)) as lab:
        servers = {port: echo_server(lab, port) for port in (82, 83, 84, 85)}
        assert talk(lab, 80, b"hello", to=address).startswith(b"HTTP/1.1 400 ")
        assert talk(lab, 91, b"hello", to=address).endswith(b"</html>\r\n")
        with pytest.raises(TimeoutError):
            talk(lab, 81, b"hello", to=address, timeout=SILENCE_S)
        for port, said, heard in (
            (82, b"hello", b"HELLO"),
            (83, b"hello", b"idmmn"),
            (84, b"I am 192.168.77.2.", b"I am 203.0.113.2."),
            (85, b"hello", b"hello"),
        ):
            assert talk(lab, port, said, until=heard, to=address) == heard
        assert "192.168.77.2" in servers[84].stdout


def test_an_altering_proxy_without_a_server_resets() -> None:
    with (
        Lab(plain(transparent=(Transparent(82, "alter"),))) as lab,
        pytest.raises(ConnectionResetError),
    ):
        talk(lab, 82, b"hello")


# other programs


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_occupied_port(protocol: Protocol) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with Lab(plain()) as lab, lab.inside("client"):
        with (
            lab.occupy("client", protocol, "0.0.0.0", 6891),
            socket.socket(socket.AF_INET, kind) as sock,
            pytest.raises(OSError, match="in use"),
        ):
            sock.bind(("0.0.0.0", 6891))
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind(("0.0.0.0", 6891))


def test_a_program_that_does_not_end() -> None:
    with Lab(plain()) as lab:
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            lab.run("client", ["sh", "-c", "echo started; sleep 1000"], timeout=0.2)
        assert caught.value.output == "started\n"


def test_a_program_that_ends_too_early() -> None:
    with Lab(plain()) as lab:
        process = lab.popen("client", ["sh", "-c", "echo broken >&2; exit 3"])
        with pytest.raises(LabError, match="broken"):
            process.wait_for("listening")
