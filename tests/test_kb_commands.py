"""The commands that articles give: right for this computer, and whole where a paste is broken."""

import itertools
import re
import shutil
import subprocess

import pytest
from markdown_it import MarkdownIt

from netcheck import kb
from tests.knowledge import (
    FILES,
    FULL,
    INWARDS,
    ODD,
    article,
    code,
    each_article,
    variants,
)


@pytest.mark.parametrize("name", ["inbound-tcp-blocked", "inbound-tcp-refused"])
def test_commands_that_open_ports_inwards(name: str) -> None:
    lines = code(name, {**FULL, "system": "", "ports": [*FILES, 1503]}).splitlines()
    for line in (
        "New-NetFirewallRule -LocalPort 1503,6891-6900 @rule",
        '  Direction = "Inbound"',
        '  Protocol = "TCP"',
        "sudo ufw allow 1503/tcp",
        "sudo ufw allow 6891:6900/tcp",
        "sudo firewall-cmd --permanent --add-port=1503/tcp",
        "sudo firewall-cmd --permanent --add-port=6891-6900/tcp",
        "sudo firewall-cmd --reload",
        "sudo nft 'insert rule inet filter input tcp dport {1503,6891-6900} accept'",
    ):
        assert line in lines


def test_commands_that_open_udp_inwards() -> None:
    lines = code("inbound-udp-blocked", {"ports": [6901]}).splitlines()
    for line in (
        "New-NetFirewallRule -LocalPort 6901 @rule",
        '  Protocol = "UDP"',
        "sudo ufw allow 6901/udp",
        "sudo firewall-cmd --permanent --add-port=6901/udp",
        "sudo nft 'insert rule inet filter input udp dport {6901} accept'",
    ):
        assert line in lines


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_commands_that_open_ports_outwards(transport: str) -> None:
    name = f"outbound-{transport}-blocked"
    to_ports = code(name, {"ports": [1863, *FILES]}).splitlines()
    for line in (
        "New-NetFirewallRule -RemotePort 1863,6891-6900 @rule",
        '  Direction = "Outbound"',
        f"sudo ufw allow out 1863/{transport}",
        f"sudo ufw allow out 6891:6900/{transport}",
        f"sudo nft 'insert rule inet filter output {transport} dport {{1863,6891-6900}} accept'",
    ):
        assert line in to_ports
    from_port = code(name, {"ports": [40000], "local_port": 6901}).splitlines()
    for line in (
        "New-NetFirewallRule -LocalPort 6901 @rule",
        f"sudo ufw allow out proto {transport} from any port 6901 to any",
        f"sudo nft 'insert rule inet filter output {transport} sport 6901 accept'",
    ):
        assert line in from_port


def test_only_the_commands_of_this_system_are_shown() -> None:
    assert "ufw" not in code("inbound-tcp-blocked", {"system": "Windows"})
    assert "NetFirewall" not in code("inbound-tcp-blocked", {"system": "Linux"})
    unknown = code("inbound-tcp-blocked", {"system": "Plan 9"})
    assert "ufw" in unknown
    assert "NetFirewall" in unknown


def test_a_broken_paste_never_allows_all_ports() -> None:
    # A terminal may break a long line. The rule's name, which PowerShell insists on, comes last.
    windows = FULL | {"system": "Windows"}
    with_rules = [a for a in kb.articles() if "New-NetFirewallRule" in kb.render(a, windows)]
    assert len(with_rules) > 1
    for candidate, values in itertools.product(with_rules, variants()):
        for line in kb.render(candidate, values).splitlines():
            if "New-NetFirewallRule" in line:
                assert re.fullmatch(r" *New-NetFirewallRule -\w+ (\S+|\"<.+>\") @rule", line)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")
@each_article
def test_shell_commands_have_shell_syntax(article: kb.Article) -> None:
    tokens = MarkdownIt().parse(kb.render(article, FULL))
    script = "\n".join(token.content for token in tokens if token.info == "sh")
    # What the reader has to put in himself, such as <program>, is no syntax yet.
    script = re.sub(r"<[a-z ]+>", "word", script)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


@each_article
def test_every_command_block_names_its_language(article: kb.Article) -> None:
    fences = [token for token in MarkdownIt().parse(kb.render(article)) if token.type == "fence"]
    assert {token.info for token in fences} <= {"sh", "powershell", "ini", "routeros", "cisco"}


@pytest.mark.parametrize(
    ("ports", "prose", "dashed"),
    [
        ([1863], "1863", "1863"),
        ([6900, 6891, 6892, 6900], "6891–6892 and 6900", "6891-6892,6900"),
        ([1863, *FILES], "1863 and 6891–6900", "1863,6891-6900"),
        ([389, 522, 1503], "389, 522 and 1503", "389,522,1503"),
        (list(range(2000, 2040, 2)), "1024–65535", "1024-65535"),
        ([0, -1, 65536, True, "80", 1720], "1720", "1720"),
        (ODD, f"{', '.join(map(str, ODD[:15]))} and 5 more", ",".join(map(str, ODD[:15]))),
        (["1024-65535"], "1024–65535", "1024-65535"),
        ([1720, "5000-6000", "7-6", "9-$(x)"], "1720 and 5000–6000", "1720,5000-6000"),
        (["$(reboot)"], INWARDS, "1503,1720,6891-6900"),
        ("1-9", INWARDS, "1503,1720,6891-6900"),
    ],
)
def test_port_lists(ports: object, prose: str, dashed: str) -> None:
    text = kb.render(article("inbound-tcp-blocked"), {"ports": ports})
    assert f"-LocalPort {dashed} @rule" in text
    assert f"External ports: {prose}\n" in text
