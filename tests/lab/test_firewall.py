"""Each rule does to real packets what its name says, at once."""

from __future__ import annotations

import errno
import sys

import pytest

from tests.lab import firewall
from tests.lab.description import SERVER, SERVER_2
from tests.lab.network import Lab, LabError
from tests.lab.traffic import PATIENCE_S, PORT, SILENCE_S, connect, pair, plain, silent

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")


# firewalls


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        (firewall.drop("tcp", ("1-10", 80)), None),
        (firewall.drop_address(SERVER), None),
        (firewall.drop("tcp", 80, "both"), None),
        (firewall.reject_with_reset(80), errno.ECONNREFUSED),
        (firewall.reject_with_icmp("tcp", 80), errno.EHOSTUNREACH),
        (firewall.reject_with_icmp("tcp", 80, code="port-unreachable"), errno.ECONNREFUSED),
    ],
)
def test_tcp_rules(rule: str, number: int | None) -> None:
    with Lab(plain(firewall=(rule,))) as lab:
        lab.accepting("server", [80, 81], "server", address=SERVER)
        lab.accepting("server", [80], "second", address=SERVER_2)
        with pytest.raises(OSError) as caught:
            connect(lab, "client", SERVER, 80, timeout=PATIENCE_S if number else SILENCE_S)
        assert caught.value.errno == number
        assert isinstance(caught.value, TimeoutError) == (number is None)
        if rule == firewall.drop_address(SERVER):
            assert connect(lab, "client", SERVER_2, 80) == b"second"
        else:
            assert connect(lab, "client", SERVER, 81) == b"server"


def test_udp_rules() -> None:
    with (
        Lab(plain(firewall=(firewall.drop_source_ports("udp", 6901),))) as lab,
        pair(lab, client_port=6901) as blocked,
        pair(lab, port=PORT + 1, client_port=6900) as ends,
    ):
        with pytest.raises(TimeoutError):
            blocked.exchange(timeout=SILENCE_S)
        assert ends.exchange()

        lab.clear_router_rules()
        assert blocked.exchange()

        lab.router_rule(firewall.drop_udp_replies())
        ends.client.sendto(b"there", ends.address)
        assert ends.server.recv(10) == b"there"
        with pytest.raises(TimeoutError):
            ends.exchange(timeout=SILENCE_S)

        lab.clear_router_rules()
        lab.router_rule(firewall.drop("udp"))
        ends.client.sendto(b"lost", ends.address)
        assert silent(ends.server)

        lab.clear_router_rules()
        lab.router_rule(firewall.drop_longer_than(500))
        with pytest.raises(TimeoutError):
            ends.exchange(b"x" * 600, timeout=SILENCE_S)
        assert ends.exchange(b"x" * 400)


def test_udp_payload_is_overwritten_one_way() -> None:
    with Lab(plain()) as lab, pair(lab) as ends:
        lab.router_rule(firewall.overwrite_udp_payload(PORT, "out"))
        assert ends.exchange(b"abcdef")[1:] == (b"LAB!ef", b"abcdef")
        lab.clear_router_rules()
        lab.router_rule(firewall.overwrite_udp_payload(PORT, "in"))
        assert ends.exchange(b"abcdef")[1:] == (b"abcdef", b"LAB!ef")


def test_run_time_rules_are_all_or_none() -> None:
    with Lab(plain()) as lab, pair(lab) as ends:
        with pytest.raises(LabError, match="nonsense"):
            lab.router_rule(firewall.drop("udp"), "nonsense")
        assert ends.exchange()
        lab.router_rule(f"udp dport {PORT} accept", firewall.drop("udp"))
        assert ends.exchange()
