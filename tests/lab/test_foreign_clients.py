"""Clients that we did not write get through their openings with a running echo server.

They are behind a NAT: one without editors, and one on which the kernel's own follow what is said.
Where a client's own words have room for a label, the server tells a session what arrived.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from probes.editors import Name, dialogues, pptp
from probes.wire.messages import Overheard
from probes.wire.reading import Carried, Reading
from tests.lab.description import EDITORS, PUBLIC, SERVER
from tests.lab.editor_messages import INSIDE
from tests.lab.network import Lab, Network
from tests.lab.process import READY_S, NodeProcess
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

NETWORKS = {"plain": Network(dns=None), "edited": Network(dns=None, editors=EDITORS)}
_ALL = 0x0003  # ETH_P_ALL: what is sent as well
ON_TERMINAL = (sys.executable, "-I", "-c", "import pty, sys; pty.spawn(sys.argv[1:])")


class Place(NamedTuple):
    """``home``: a folder that the clients may write to, instead of the user's own."""

    lab: Lab
    link: str
    home: Path

    @property
    def edits(self) -> bool:
        return bool(self.lab.network.editors)

    @property
    def arrives(self) -> str:
        """What the client's own address is when the server reads it."""
        return PUBLIC if self.edits else INSIDE

    @property
    def environment(self) -> Mapping[str, str]:
        """Nothing that is configured on this machine plays a part."""
        kept = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
        }
        home = str(self.home)
        alone = {"LDAPNOINIT": "1", "SNMPCONFPATH": home, "SNMP_PERSISTENT_DIR": home}
        return kept | alone | {"HOME": home, "LC_ALL": "C.UTF-8", "TERM": "xterm"}

    def run(self, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **more}
        return self.lab.run("client", argv, env=environment, timeout=READY_S)

    def popen(self, *argv: str, **more: str) -> NodeProcess:
        environment = {**self.environment, **more}
        return self.lab.popen("client", argv, env=environment, stdin=subprocess.PIPE)


class Ear:
    """What the server tells a session that it overheard."""

    def __init__(self, process: NodeProcess, protocol: Name) -> None:
        self._process = process
        self._read = dialogues(protocol)[0].read
        process.wait_until(lambda: "\n" in process.stdout, "label")
        self.label = process.stdout.splitlines()[0]

    @property
    def readings(self) -> list[Reading]:
        lines = self._process.stdout.rpartition("\n")[0].splitlines()[1:]
        told = [msgspec.json.decode(line, type=Overheard) for line in lines]
        return [self._read(bytes.fromhex(said.data)) for said in told]

    @property
    def kinds(self) -> list[str]:
        return [reading.kind for reading in self.readings]

    def carried(self, kind: str) -> tuple[Carried, ...]:
        """What the first message of this kind carries, without faults, when it has come."""
        self._process.wait_until(lambda: kind in self.kinds, kind)
        reading = self.readings[self.kinds.index(kind)]
        assert not reading.faults
        return reading.carried


@pytest.fixture(scope="module", params=NETWORKS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with Lab(NETWORKS[request.param]) as lab, served(lab) as (_, link):
        home = tmp_path_factory.mktemp("home")
        (home / "cert_indexes").mkdir()  # Net-SNMP would make it, and say so
        yield Place(lab, link, home)


@contextmanager
def overheard(place: Place, protocol: Name) -> Iterator[Ear]:
    argv = (sys.executable, "-m", "tests.lab.overhear", place.link)
    with place.lab.popen("client", argv, stdin=subprocess.PIPE) as process:
        yield Ear(process, protocol)


# FTP


@pytest.mark.parametrize(
    ("options", "command"), [((), "EPRT"), (("--disable-eprt",), "PORT")], ids=["EPRT", "PORT"]
)
def test_curl_in_active_mode(place: Place, options: Sequence[str], command: str) -> None:
    with overheard(place, "ftp") as ear:
        url = f"ftp://{ear.label}:password@{SERVER}/"
        curl = ("curl", "-q", "-sv", "--noproxy", "*", "--max-time", "8", "--ftp-port", "-")
        done = place.run(*curl, *options, url)
        (there,) = ear.carried(command)
        ear.carried("QUIT")
        assert ear.kinds == ["USER", "PASS", "PWD", command, "TYPE", "LIST", "QUIT"]
    assert there.address == place.arrives
    assert "Connect data stream actively" in done.stderr
    # It is told that it gets no file, and takes that as the answer to its command.
    assert "RETR response: 425" in done.stderr
    assert done.returncode == 19


@pytest.mark.parametrize("mode", ["active", "passive"])
def test_tnftp(place: Place, mode: str) -> None:
    """Passive it connects to where it is told, and asks nothing before it has."""
    with overheard(place, "ftp") as ear:
        ftp = place.popen("tnftp", "-n", "-v", "-d", *(["-A"] if mode == "active" else []), SERVER)
        for command in (f"user {ear.label} password", "ls", "quit"):
            ftp.tell(command)
        assert ftp.wait(READY_S) == 0
        assert "230 Logged in" in ftp.stdout
        assert "221 " in ftp.stdout
        ear.carried("QUIT")
        if mode == "active":
            (there,) = ear.carried("EPRT")
            assert there.address == place.arrives
            assert ear.kinds[-3:] == ["EPRT", "LIST", "QUIT"]
        else:
            assert "EPSV" in ear.kinds


# directories


def test_ldapadd(place: Place) -> None:
    """NetMeeting's directory has no editor here: what it says arrives."""
    (little_endian,) = struct.unpack("<I", socket.inet_aton(INSIDE))
    with overheard(place, "ldap") as ear:
        mail = f"{ear.label}@netcheck.invalid"
        entry = place.home / "entry.ldif"
        entry.write_text(
            f"dn: c=-,o=Microsoft,cn={mail},objectClass=rtPerson\n"
            f"objectClass: rtPerson\ncn: {mail}\nsipaddress: {little_endian}\nsport: 1503\n"
        )
        done = place.run("ldapadd", "-x", "-v", "-H", f"ldap://{SERVER}", "-f", str(entry))
        there = ear.carried("AddRequest")
        ear.carried("UnbindRequest")
        assert ear.kinds == ["BindRequest", "AddRequest", "UnbindRequest"]
    assert done.returncode == 0
    assert "modify complete" in done.stdout
    assert INSIDE in {each.address for each in there}


# traps


def _trap(ear: Ear, version: str) -> tuple[str, ...]:
    """Its options; no MIB is read."""
    common = ("-v", version, "-c", ear.label, "-m", "", f"{SERVER}:162")
    if version == "1":
        return (*common, "1.3.6.1.6.3.1.1.5", INSIDE, "0", "0", "0")
    address = ("1.3.6.1.6.3.18.1.3.0", "a", INSIDE)
    return (*common, "0", "1.3.6.1.6.3.1.1.5.1", *address)


@pytest.mark.parametrize(("version", "kind"), [("1", "Trap-PDU"), ("2c", "SNMPv2-Trap-PDU")])
def test_snmptrap(place: Place, version: str, kind: str) -> None:
    with overheard(place, "snmp") as ear:
        done = place.run("snmptrap", *_trap(ear, version))
        assert (done.returncode, done.stderr) == (0, "")
        if version == "1" and place.edits:
            # The kernel's editor drops what it does not know; what comes after it does arrive.
            place.run("snmptrap", *_trap(ear, "2c"))
            ear.carried("SNMPv2-Trap-PDU")
            assert kind not in ear.kinds
        else:
            (there,) = ear.carried(kind)
            assert there.address == place.arrives


def test_snmpinform(place: Place) -> None:
    """It waits for the answer, and complains if there is none."""
    with overheard(place, "snmp") as ear:
        done = place.run("snmpinform", "-t", "2", *_trap(ear, "2c"))
        (there,) = ear.carried("InformRequest-PDU")
        assert ear.kinds == ["InformRequest-PDU"]
    assert (done.returncode, done.stderr) == (0, "")
    assert there.address == place.arrives


# calls


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("way", "method"), [((), "OPTIONS"), (("-U", "-i"), "REGISTER")])
def test_sipsak(place: Place, transport: str, way: Sequence[str], method: str) -> None:
    known = ("-H", INSIDE, "-s", f"sip:somebody@{SERVER}")
    done = place.run("sipsak", "-vvv", "-E", transport, *way, *known)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "SIP/2.0 200 OK" in said
    assert re.search(rf"^CSeq: \d+ {method}\r?$", said, re.MULTILINE), said


# PPTP


class Tap:
    """Every IPv4 packet that the server's network sees, from now on."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.settimeout(READY_S)

    def packet(self, protocol: int) -> tuple[str, bytes]:
        """The next one of it with something in it: who sent it, and what.  Raises TimeoutError."""
        while True:
            data, (_, kind, *_) = self._sock.recvfrom(65535)
            if kind != 0x0800:
                continue
            size = struct.unpack_from("!H", data, 2)[0]
            payload = data[(data[0] & 15) * 4 : size]
            if protocol == socket.IPPROTO_TCP and len(payload) >= 20:
                payload = payload[(payload[12] >> 4) * 4 :]
            if data[9] == protocol and payload:
                return socket.inet_ntoa(data[12:16]), payload

    def pptp(self, source: str, kind: str) -> Reading:
        """The next message of this kind from ``source``."""
        while True:
            sender, payload = self.packet(socket.IPPROTO_TCP)
            if sender == source and payload[4:8] == pptp.MAGIC.to_bytes(4):
                reading = pptp.read(payload)
                assert not reading.faults
                if reading.kind == kind:
                    return reading


def _number(reading: Reading, field: str) -> int | None:
    (found,) = (each for each in reading.carried if each.field == field)
    return found.port


def test_pptp(place: Place) -> None:
    """The call is placed, and what the client says in it has the number that it was given."""
    alone = 'mount -t tmpfs tmpfs /run; stty raw -echo; exec pptp "$@"'
    # LCP's Configure-Request without options, and the same as pppd writes it (RFC 1662).
    lcp, framed = bytes.fromhex("ff03c02101010004"), "7eff7d23c0217d217d217d207d24d1b57e"
    with place.lab.inside("server"):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    with raw:
        tap = Tap(raw)
        argv = ("sh", "-ec", alone, "sh", SERVER, "--nolaunchpppd")
        with place.popen(*ON_TERMINAL, *argv) as process:
            tap.pptp(PUBLIC, "Start-Control-Connection-Request")
            request = tap.pptp(PUBLIC, "Outgoing-Call-Request")
            reply = tap.pptp(SERVER, "Outgoing-Call-Reply")
            assert _number(reply, "Peer's Call ID") == _number(request, "Call ID")
            assert process.popen.stdin is not None
            os.write(process.popen.stdin.fileno(), bytes.fromhex(framed))
            source, said = tap.packet(socket.IPPROTO_GRE)
            while source != PUBLIC:
                source, said = tap.packet(socket.IPPROTO_GRE)
    # RFC 2637 section 4.1: version 1, a key, PPP; the length, and the callee's Call ID
    flags, kind, size, call = struct.unpack_from("!HHHH", said)
    assert (flags & 0x2007, kind, size) == (0x2001, 0x880B, len(lcp))
    assert call == _number(reply, "Call ID")
    assert said.endswith(lcp)


# procedures


def test_rpcmap(place: Place) -> None:
    """It binds, asks the management interface what there is, and looks each of it up."""
    program = str(Path(sys.executable).with_name("rpcmap.py"))
    done = place.run(sys.executable, program, "-auth-level", "1", f"ncacn_ip_tcp:{SERVER}[135]")
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^UUID: (\S+) v(\S+)$", done.stdout, re.MULTILINE)
    assert ("E1AF8308-5D1F-11C9-91A4-08002B14A0FA", "3.0") in found  # the endpoint mapper
    assert ("4D9F4AB8-7D1C-11CF-861E-0020AF6E7C57", "0.0") in found  # IActivation
    assert ("AFA8BD80-7D8A-11C9-BEF4-08002B102989", "1.0") in found  # management


# IPsec


@pytest.mark.parametrize("port", [500, 4500])
def test_charon_cmd(place: Place, port: int) -> None:
    """It takes the answer to IKE_SA_INIT, derives its keys and goes on, on port 4500: there is
    a NAT.  Nobody answers an IKE_AUTH that only a holder of the server's private key could
    read."""
    # From another port than 500 charon begins on 4500 at once.
    own = "port = 500\nport_nat_t = 4500\n" if port == 500 else ""
    configuration = place.home / f"strongswan-{port}.conf"
    configuration.write_text("charon-cmd {\n" + own + "}\n")
    charon = place.popen(
        *(*ON_TERMINAL, "charon-cmd", "--host", SERVER, "--identity", "somebody@example.net"),
        *("--profile", "ikev2-eap"),
        STRONGSWAN_CONF=str(configuration),
    )
    with charon:
        charon.wait_for("generating IKE_AUTH request 1")
        charon.wait_until(lambda: "IKE_AUTH" in charon.stdout.rpartition("sending")[0], "IKE_AUTH")
    said = charon.stdout
    assert re.search(rf"sending packet: from {INSIDE}\[\d+\] to {SERVER}\[{port}\]", said)
    assert f"received packet: from {SERVER}[{port}]" in said
    assert "parsed IKE_SA_INIT response 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) ]" in said
    assert "selected proposal: IKE:" in said
    assert "local host is behind NAT" in said
    assert re.search(rf"to {SERVER}\[4500\] \(\d+ bytes\)\s*$", said, re.MULTILINE)


# IRC


def test_irssi(place: Place) -> None:
    """It registers, offers itself a file and a talk, and is offered them."""
    with overheard(place, "irc") as ear:
        configuration = place.home / "irssi"
        configuration.write_text(
            f'servers = ( {{ address = "{SERVER}"; chatnet = "lab"; autoconnect = "yes"; }} );\n'
            f'chatnets = {{ lab = {{ type = "IRC"; autosendcmd = "/echo ready"; }}; }};\n'
            f'settings = {{ core = {{ real_name = "{ear.label}"; user_name = "netcheck"; '
            # It would hold back what comes after five messages.
            'nick = "tester"; }; "irc/core" = { cmds_max_at_once = "20"; }; };\n'
        )
        argv = ("irssi", f"--home={place.home}", f"--config={configuration}")
        with place.popen(*ON_TERMINAL, *argv) as irssi:
            irssi.wait_until(lambda: "ready" in _plain(irssi.stdout), "welcome")
            offers = {
                "DCC SEND": f"/dcc send tester {configuration}",
                "DCC CHAT": "/dcc chat tester",
            }
            for kind, command in offers.items():
                irssi.tell(command)
                (there,) = ear.carried(kind)
                assert there.address == place.arrives
                back = f"{kind} from tester"
                irssi.wait_until(lambda: back in _plain(irssi.stdout), back)  # noqa: B023
            assert "Welcome tester" in _plain(irssi.stdout)
        assert {"CAP", "NICK", "USER"} <= set(ear.kinds)


def _plain(screen: str) -> str:
    """Without what moves the cursor and colours the text."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\(B)", "", screen)
