"""What the dialogues of other protocols would state, behind a NAT and without one."""

from __future__ import annotations

from typing import Any

from probes.observation import Attempt, Followed, Heard, Said, Talk

from .measured import OURS, PUBLIC, SERVER, silent, tries

SOCKET = f"{OURS}:40000"
SEEN = f"{PUBLIC}:50000"
KEPT = f"{OURS}:20001"
EDITED = f"{PUBLIC}:20001"
KINDS = ("USER", "PASS", "PORT")
ANSWERS = ("220", "331", "230", "200")


def said(arrived: str | None, sent: str = KEPT, field: str = "PORT", **more: Any) -> Said:
    return Said(field=field, sent=sent, arrived=arrived, **({"announced": True} | more))


def heard(*carried: Said, kinds: tuple[str, ...] = KINDS, **more: Any) -> Heard:
    return Heard(kinds=kinds, said=carried, **({"expected": len(KINDS)} | more))


BACK = Heard(expected=4, kinds=ANSWERS, said=(said(f"{SERVER}:1024", f"{SERVER}:1024", "227"),))


def talk(*carried: Said, **more: Any) -> Talk:
    """FTP's PORT on its own port, behind a NAT."""
    usual: dict[str, Any] = {
        "protocol": "ftp",
        "dialogue": "ftp-port",
        "transport": "tcp",
        "port": 21,
        "aim": "own-port",
        "outcome": "talked",
        "local": SOCKET,
        "source": SEEN,
        "out": heard(*(carried or (said(KEPT),))),
        "back": BACK,
    } | more
    name = usual["port"] if usual["aim"] == "own-port" else "control"
    return Talk(id=f"talk-{usual['dialogue']}-{name}", at_s=0.5, took_s=0.2, **usual)


def control(*carried: Said, **more: Any) -> Talk:
    """The same bytes where no editor looks."""
    return talk(*carried, **({"aim": "control", "port": 40123} | more))


def unheard(count: int = 9, **more: Any) -> Talk:
    """Nothing of it arrived."""
    usual: dict[str, Any] = {
        "outcome": "silent", "source": None, "out": Heard(expected=1), "back": Heard(),
        "tries": count,
    }  # fmt: skip
    return talk(**(usual | more))


def followed(
    *attempts: Attempt, target: str = EDITED, field: str = "PORT", **more: Any
) -> tuple[Followed, ...]:
    return (Followed(field=field, target=target, attempts=attempts, **more),)


REACHED = followed(*tries("answered"), heard=1)
SHUT = followed(*silent(9))
UNPROVEN = followed(refused="not-proven")
