"""A live network: `with Lab(Network(...)) as lab:` makes it, and leaving removes it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab import diversion, gateway, kernel_editors, namespaces, ruleset, topology
from tests.lab.description import (
    PROXY_CONNECT_PORTS,
    PROXY_PORT,
    RESOLVER,
    RESOLVER_V6,
    Dns,
    Editor,
    Forward,
    Network,
    Node,
    Protocol,
    Rewriting,
    Transparent,
)
from tests.lab.process import POLL_S, READY_S, LabError, NodeProcess, Surroundings

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

__all__ = [
    "Dns",
    "Forward",
    "Lab",
    "LabError",
    "Network",
    "NodeProcess",
    "Rewriting",
    "Transparent",
]

_HERE = Path(__file__).parent
# Programs that need only the standard library start in 20 ms without the site packages.
_BARE_PYTHON = (sys.executable, "-I", "-S")
RUN_S = 30.0  # the longest a check may take is 20 s
_numbers = itertools.count(1)


class Lab:
    """A network of namespaces named `nc<pid>-<counter>-<node>`.

    When the body of the `with` raises, what every process of the lab said is added to the
    exception as a note.
    """

    def __init__(self, network: Network | None = None) -> None:
        self.network = network or Network()
        self.processes: list[NodeProcess] = []
        self._plan = topology.plan(self.network)
        self._prefix = f"nc{os.getpid()}-{next(_numbers)}-"
        self._dns: NodeProcess | None = None
        self._dns_tables = 0

    def __enter__(self) -> Self:
        namespaces.remove_stale()
        self._surroundings = Surroundings(self._prefix, Path(tempfile.mkdtemp(prefix="lab-")))
        try:
            self._open()
        except BaseException as failure:
            self._explain(failure)
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if failure is not None:
            self._explain(failure)
        self.close()

    def close(self) -> None:
        """Ends every process and removes every namespace; may be called twice."""
        try:
            for process in self.processes:
                process.terminate()
            for process in self.processes:
                process.finish()
        finally:
            # Also ends what the programs started and lost sight of.
            namespaces.remove([self.namespace(node) for node in self._plan.nodes])
            shutil.rmtree(self._surroundings.directory, ignore_errors=True)

    def namespace(self, node: str) -> str:
        """The name `ip netns` knows a node by."""
        return self._prefix + node

    # programs inside nodes

    def popen(
        self,
        node: Node,
        argv: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> NodeProcess:
        """Starts a program, which ends with the lab at the latest."""
        return self._start(node, argv, stdin=stdin, env=env, cwd=cwd)

    def run(
        self,
        node: Node,
        argv: Sequence[str],
        *,
        timeout: float = RUN_S,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end; the exit status is not judged.

        Raises subprocess.TimeoutExpired after `timeout` seconds, when the program is ended.
        """
        process = self._start(node, argv, env=env, cwd=cwd)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.stop()
            raise subprocess.TimeoutExpired(
                list(argv), timeout, output=process.stdout, stderr=process.stderr
            ) from None
        return subprocess.CompletedProcess(
            list(argv), status, stdout=process.stdout, stderr=process.stderr
        )

    def inside(self, node: Node) -> AbstractContextManager[None]:
        """The calling thread is in the node's network: sockets it makes stay there.

        The resolver configuration is still the machine's own.
        """
        return namespaces.inside(self.namespace(node))

    def wait_listening(
        self, node: Node, protocol: Protocol, port: int, timeout: float = READY_S
    ) -> None:
        """Until a program of the node has `port`. Raises LabError after `timeout` seconds."""
        what = f"{protocol} listener on port {port}"
        self._wait_inside(node, lambda: port in namespaces.bound_ports(protocol), what, timeout)

    # changes while something runs

    def nft(self, node: Node, commands: str) -> None:
        """Applies nftables commands to a node, all or none. Raises LabError if they are wrong."""
        namespaces.run_all([(self.namespace(node), f"nft -f - <<'END'\n{commands}\nEND\n")])

    def router_rule(self, *rules: str) -> None:
        """Puts firewall rules in front of all others, for connections under way too."""
        lines = [f"insert rule {ruleset.TABLE} scenario {rule}" for rule in reversed(rules)]
        self.nft("router", "\n".join(lines))

    def clear_router_rules(self) -> None:
        """Removes every firewall rule, those of the description too."""
        self.nft("router", f"flush chain {ruleset.TABLE} scenario")

    def set_loss(self, percent: float) -> None:
        """Changes the loss between router and server."""
        wanted = ruleset.loss_rules(percent, self.network.loss_direction)
        rules = [f"add rule {ruleset.TABLE} loss {rule}" for rule in wanted]
        self.nft("internet", "\n".join([f"flush chain {ruleset.TABLE} loss", *rules]))

    def set_dns(self, dns: Dns) -> None:
        """Changes what the resolver knows; in force when the call returns."""
        if self._dns is None:
            raise LabError("this network has no resolver")
        self._dns.tell(json.dumps(dataclasses.asdict(dns)))
        self._dns_tables += 1
        process, expected = self._dns, self._dns_tables
        process.wait_until(lambda: process.stdout.count("ready") == expected, "new table")

    # other programs on the hosts

    def occupy(self, node: Node, protocol: Protocol, address: str, port: int) -> NodeProcess:
        """Another program has the port, until the lab closes or a `with` of the result ends."""
        return self._listener(node, protocol, address, (port,), None)

    def accepting(
        self, node: Node, ports: Sequence[int], banner: str = "hello\r\n", address: str = ""
    ) -> NodeProcess:
        """A host that accepts TCP on `ports` of all its addresses, or of one, and says `banner`."""
        everywhere = "::" if self.network.ipv6 else "0.0.0.0"
        return self._listener(node, "tcp", address or everywhere, ports, banner)

    def _listener(
        self, node: Node, protocol: Protocol, address: str, ports: Sequence[int], banner: str | None
    ) -> NodeProcess:
        told = {"protocol": protocol, "address": address, "ports": list(ports), "banner": banner}
        process = self._service(node, "listener.py", json.dumps(told))
        process.wait_for("ready")
        return process

    # making the network

    def _open(self) -> None:
        network, directory = self.network, self._surroundings.directory
        (directory / "resolv.conf").write_text(f"nameserver {network.resolver}\n")
        (directory / "nsswitch.conf").write_text("hosts: files dns\n")
        namespaces.ip(self._plan.creation(self._prefix))
        self._expect_editors("router", network.editors)
        self._expect_editors("carrier", network.carrier_editors)
        if network.dns is not None:
            # Importing takes longer than all the rest, so it starts first.
            owns = [a for a in (RESOLVER, RESOLVER_V6) if self._has(a)]
            argv = (sys.executable, "-I", str(_HERE / "dns_server.py"), *owns)
            self._dns = self._start("internet", argv, stdin=subprocess.PIPE)
        # A bridge whose ports come up after it does so at once; the other way round the kernel
        # takes its time (a second) to notice.
        bridged = {node for node, plan in self._plan.nodes.items() if plan.bridge}
        for group in (bridged, self._plan.nodes.keys() - bridged):
            namespaces.run_all([(self.namespace(n), self._plan.set_up(n)) for n in sorted(group)])
        for node in self._plan.nodes:
            self._wait_for_links(node)
        started = []
        if network.rtt_ms:
            wire = {
                "one_way_s": network.rtt_ms / 2000,
                "jitter_s": network.jitter_ms / 1000,
                "jitter_frames": network.jitter_frames,
                "reorder": network.reorder_percent / 100,
                "duplicate": network.duplicate_percent / 100,
            }
            started.append(self._service("wire", "delay.py", "west", "east", json.dumps(wire)))
        for i, box in enumerate(network.transparent):
            told = dataclasses.asdict(box) | {"port": ruleset.TRANSPARENT_BASE_PORT + i}
            told["replace"] = box.replace and [each.hex() for each in box.replace]
            started.append(self._service("router", "transparent.py", json.dumps(told)))
        if network.rewriting:
            told = dataclasses.asdict(network.rewriting)
            told |= {"port": diversion.PORT, "outside": network.router_wan, "table": ruleset.TABLE}
            started.append(self._service("router", "rewriting.py", json.dumps(told)))
        if network.http_proxy:
            self._start("router", ["tinyproxy", "-d", "-c", str(self._proxy_configuration())])
            self.wait_listening("router", "tcp", PROXY_PORT)
        if network.miniupnpd:
            mapper = self._port_mapper()
        if network.dns is not None:
            self.set_dns(network.dns)
        for process in started:
            process.wait_for("ready")
        if network.miniupnpd:
            mapper.wait_for(gateway.READY)

    def _expect_editors(self, node: Node, editors: Sequence[Editor]) -> None:
        """The kernel loads what it has as modules. Raises LabError that names what it lacks."""
        for editor in editors:
            declared = "\n".join(kernel_editors.declarations([editor]))
            try:
                self.nft(node, f"table inet trial {{\n{declared}\n}}\ndelete table inet trial")
            except LabError as failure:
                lacks = f"{editor} ({kernel_editors.modules(editor)})"
                raise LabError(f"this kernel has no editor for {lacks}") from failure

    def _wait_for_links(self, node: str) -> None:
        """The kernel starts queues some time after a link is up; until then it drops packets."""
        interfaces = self._plan.interfaces(node)
        self._wait_inside(node, lambda: namespaces.all_running(interfaces), "running links")

    def _wait_inside(
        self, node: str, true: Callable[[], bool], what: str, timeout: float = READY_S
    ) -> None:
        deadline = time.monotonic() + timeout
        with namespaces.inside(self.namespace(node)):
            while not true():
                if time.monotonic() > deadline:
                    raise LabError(f"no {what} on {node} within {timeout} s")
                time.sleep(POLL_S)

    def _has(self, address: str) -> bool:
        return self.network.ipv6 if ":" in address else self.network.ipv4

    def _proxy_configuration(self) -> Path:
        path = self._surroundings.directory / "tinyproxy.conf"
        lines = [
            f"Port {PROXY_PORT}",
            f"Listen {self.network.router}",
            "Timeout 600",
            "MaxClients 100",
            "LogLevel Connect",
            *(f"ConnectPort {port}" for port in PROXY_CONNECT_PORTS),
        ]
        path.write_text("\n".join(lines) + "\n")
        return path

    def _port_mapper(self) -> NodeProcess:
        directory = self._surroundings.directory
        configuration = directory / "miniupnpd.conf"
        configuration.write_text(gateway.configuration(self.network))
        self.nft("router", gateway.rules())
        pid_file = str(directory / "miniupnpd.pid")
        return self._start("router", ["miniupnpd", "-d", "-f", str(configuration), "-P", pid_file])

    def _service(self, node: str, program: str, *argv: str) -> NodeProcess:
        # Its input is a pipe from here: should this process die, the program reads the end of it.
        return self._start(
            node, (*_BARE_PYTHON, str(_HERE / program), *argv), stdin=subprocess.PIPE
        )

    def _start(self, node: str, argv: Sequence[str], **how: Any) -> NodeProcess:
        process = NodeProcess(self._surroundings, node, argv, number=len(self.processes), **how)
        self.processes.append(process)
        return process

    def _explain(self, failure: BaseException) -> None:
        for process in self.processes:
            failure.add_note(process.log())
