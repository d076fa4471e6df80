"""The window behind a real NAT: what it says, and that it sees when the remedy helped."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.lab.description import Network
from tests.lab.nat_scenarios import truth_of
from tests.lab.nat_verdicts import judge
from tests.lab.network import Lab
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

CHECKED_S = 90.0
"""A check takes six seconds; on a busy machine the window needs as many again."""

# What the article on incoming connections tells the owner of the router to do.
FORWARDED = """
    table ip remedy {
        chain prerouting {
            type nat hook prerouting priority dstnat - 1;
            iifname "wan" tcp dport { 1503, 1720, 6891-6901 } dnat to 192.168.77.2
            iifname "wan" udp dport 6901 dnat to 192.168.77.2
        }
    }
"""


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {each["feature"]: each["verdict"] for each in report["features"]}


def test_the_window_tells_the_truth_and_sees_the_remedy_work(tmp_path: Path) -> None:
    network = Network(rtt_ms=20)
    with Lab(network) as lab, served(lab) as (_, link):
        argv = (sys.executable, "-m", "tests.lab.window_client", link, str(tmp_path))
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        with lab.popen("client", argv, stdin=-1, env=environment) as client:
            client.wait_for("checked\n", CHECKED_S)
            first = json.loads((tmp_path / "first.json").read_text(encoding="utf-8"))
            wrong = [each for each in judge(truth_of(network), first) if each.judgement == "wrong"]
            assert wrong == []
            assert verdicts(first)["messaging"] == "works"
            assert verdicts(first)["send-files"] == "fails"
            lab.nft("router", FORWARDED)
            client.tell("again")
            client.wait_for("again ", CHECKED_S)
            said = client.stdout.rpartition("again ")[2]
    second = json.loads((tmp_path / "again-0.json").read_text(encoding="utf-8"))
    inward = {
        port["port"]: port["state"]
        for port in second["ports"]
        if port["direction"] == "inbound" and port["transport"] == "tcp"
    }
    assert set(inward.values()) == {"open"}
    assert second["nat"]["mapping"] == first["nat"]["mapping"]  # was not tested again
    assert second["media"] == first["media"]
    assert "ports better: 1" in said
