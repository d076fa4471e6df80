"""Networks with editors and without, each with the truth about every protocol.

`dataclasses.replace(scenario.network, loss_percent=5)` is the same network with loss: the truth
stays, see `rests_on_silence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import cycle
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from tests.lab.description import EDITORS, Editor, Forward, Network, Rewriting

# fmt: off
Verdict = Literal[
    "not-needed", "edited", "edited-unreachable", "untouched", "mangled", "blocked", "not-tested"
]
Protocol = Literal[
    "ftp", "icmp", "pptp", "snmp", "ldap", "ipsec", "dcom", "rpc", "h323", "msn", "sip", "irc"
]
# fmt: on
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

LOSSES = (0, 5)

Verdicts = tuple[Verdict, ...]
Truth = Mapping[Protocol, Verdicts]
"""What may be said of each protocol; what is not in it is not judged."""


_TOO_SHORT = ("wrong-length", "search-and-replace")
"""Flavours that leave the length of a message as it was."""


class EditorScenario(NamedTuple):
    """`spared` is what is true of the rest of a protocol when nothing is said of that part of
    its messages which did not come."""

    name: str
    network: Network
    truth: Truth
    spared: Truth = MappingProxyType({})

    def allowed(self, protocol: Protocol, *, loss: bool = False) -> Verdicts:
        """The true verdicts, and under `loss` those that say too little."""
        true = self.truth[protocol]
        if loss and rests_on_silence(true, self.network.rewriting):
            return (*true, *self.spared.get(protocol, ()), "not-tested")
        return true


def rests_on_silence(true: Verdicts, rewriting: Rewriting | None = None) -> bool:
    """What did not come, or was not reached, may have been lost; and so may the rest of a message
    that says it is longer than it is."""
    silent = {"blocked", "edited-unreachable"}
    if rewriting is not None and rewriting.flavour in _TOO_SHORT:
        silent.add("mangled")
    return bool(silent & set(true))


def _of(*verdicts: Verdict) -> Verdicts:
    return verdicts


_UNTOUCHED: dict[Protocol, Verdicts] = {
    **dict.fromkeys(PROTOCOLS, _of("untouched")),
    "icmp": _of("edited"),  # by the NAT itself: without it no error finds its connection
}
_NOT_NEEDED: Truth = dict.fromkeys(PROTOCOLS, _of("not-needed"))

KERNEL: dict[Editor, dict[Protocol, Verdicts]] = {
    "ftp": {"ftp": _of("edited")},
    "pptp": {"pptp": _of("edited")},
    "h323": {"h323": _of("edited")},
    # It drops the first version of SNMP, and edits the second.
    "snmp": {"snmp": _of("blocked")},
    "sip": {"sip": _of("edited")},
    "irc": {"irc": _of("edited")},
}
"""What each of the kernel's changes in a plain NAT: see test_editors.py."""

_ALL: dict[Protocol, Verdicts] = {
    protocol: verdicts for each in KERNEL.values() for protocol, verdicts in each.items()
}
_ONLY_BEYOND: dict[Protocol, Verdicts] = {
    # An address that is not its connection's own it leaves alone, but for one of a Setup's.
    "h323": _of("mangled"),
    "pptp": _of("edited"),
    "snmp": _of("blocked"),
}

_LACKED: tuple[Protocol, ...] = ("ldap", "dcom", "rpc", "msn")
"""What the kernel has no editor for."""

FLAVOURS: dict[str, tuple[Rewriting, dict[Protocol, Verdicts]]] = {
    "right": (Rewriting("right"), dict.fromkeys(_LACKED, _of("edited"))),
    "no-way": (
        Rewriting("no-way"),
        {
            **dict.fromkeys(_LACKED, _of("edited-unreachable")),
            "rpc": _of("edited"),  # nobody goes to the address in a request
        },
    ),
    "wrong-length": (
        Rewriting("wrong-length"),
        dict.fromkeys(_LACKED, _of("mangled")),
    ),
    "half": (
        Rewriting("half", (135, 389, 1002, 1720, 1863)),
        {
            # those with one address in a connection have no second half
            **dict.fromkeys(_LACKED, _of("edited")),
            "ldap": _of("mangled"),
            "h323": _of("mangled"),
        },
    ),
    "drop": (Rewriting("drop"), dict.fromkeys(_LACKED, _of("blocked"))),
    "search-and-replace": (
        Rewriting("search-and-replace"),
        {
            # An editor, though on all ports: what it rewrites is right, and it opens no way.
            # Numbers, call IDs and UTF-16 it does not find.
            **dict.fromkeys(("ftp", "h323"), _of("edited-unreachable")),
            **dict.fromkeys(("snmp", "rpc"), _of("edited")),  # nobody goes there
            # The public address is shorter, and the length remains.
            **dict.fromkeys(("sip", "msn"), _of("mangled")),
        },
    ),
}
"""What each flavour of the router's own editor changes in a plain NAT: see test_rewriting.py."""

_EVERY_PORT = (Forward("tcp", "1024-65535"), Forward("udp", "1024-65535"))
_CALLS = (Forward("tcp", 1720), Forward("tcp", "6891-6900"))


def _scenario(
    name: str,
    network: Network,
    *changed: Truth,
    snmp_2c: Verdict = "edited",
    judged: Iterable[Protocol] = PROTOCOLS,
) -> EditorScenario:
    """`changed` is what differs from a plain NAT; `snmp_2c` what is true of that version alone."""
    truth = dict(_UNTOUCHED)
    for each in changed:
        truth |= each
    return EditorScenario(
        name, network, {p: truth[p] for p in judged}, spared={"snmp": _of(snmp_2c)}
    )


def _reachable(truth: Truth) -> Truth:
    """Where every port leads to the client, nobody has to open one."""
    return {p: _of("edited") if v == ("edited-unreachable",) else v for p, v in truth.items()}


def _behind_a_carrier(truth: Truth) -> Truth:
    """The carrier's side of the router is no place that can be reached from outside.  A call ID is
    no place at all."""
    return {
        p: _of("edited-unreachable") if v == ("edited",) and p != "pptp" else v
        for p, v in truth.items()
    }


def _each_way(name: str, network: Network, changed: Truth) -> tuple[EditorScenario, ...]:
    """The same editors in a plain NAT, behind a carrier's, and with every port forwarded."""
    # A program that passes on what the LAN sends does not hear of ICMP errors.
    deaf = network.rewriting is not None and network.rewriting.flavour == "search-and-replace"
    judged = [p for p in PROTOCOLS if p != "icmp" or not deaf]
    return (
        _scenario(name, network, changed, judged=judged),
        _scenario(
            f"{name}-behind-a-carrier",
            replace(network, carrier=True),
            _behind_a_carrier(changed),
            snmp_2c="edited-unreachable",
            judged=judged,
        ),
        _scenario(
            f"{name}-forwarded-all",
            replace(network, forwards=_EVERY_PORT),
            _reachable(changed),
            judged=judged,
        ),
    )


_WITHOUT_ADDRESSES: tuple[Editor, ...] = ("tftp", "amanda")
"""Neither protocol has an address in a message: their editors let answers in that come from
another port, and netcheck has no dialogue of theirs.  That they touch nothing else is seen in one
network each."""

EDITOR_SCENARIOS: tuple[EditorScenario, ...] = (
    EditorScenario("routed", Network(nat=False), _NOT_NEEDED),
    EditorScenario("routed-with-editors", Network(nat=False, editors=EDITORS), _NOT_NEEDED),
    _scenario("nat", Network()),
    _scenario("nat-random-ports", Network(mapping="random")),
    _scenario("carrier", Network(carrier=True)),
    _scenario("double-nat", Network(carrier=True, carrier_space="private")),
    _scenario("forwarded-calls", Network(forwards=_CALLS)),
    _scenario("forwarded-all", Network(forwards=_EVERY_PORT)),
    *(_scenario(f"kernel-{e}", Network(editors=(e,))) for e in _WITHOUT_ADDRESSES),
    *(
        scenario
        for editor, changed in KERNEL.items()
        for scenario in _each_way(f"kernel-{editor}", Network(editors=(editor,)), changed)
    ),
    *_each_way("kernel-all", Network(editors=EDITORS), _ALL),
    _scenario(
        "kernel-all-random-ports",
        Network(editors=EDITORS, mapping="random"),
        _ALL,
        # Both ends of a call send from where they wait. What the client sends gets another port
        # here, and with that connection the one that the editor expects may clash: then nothing
        # of a stream arrives, by whose packet was first.
        {"h323": _of("edited", "edited-unreachable")},
    ),
    _scenario(
        "kernel-all-and-at-the-carrier",
        Network(carrier=True, editors=EDITORS, carrier_editors=EDITORS),
        _ALL,
    ),
    _scenario(
        "kernel-at-the-carrier-alone",
        Network(carrier=True, carrier_editors=EDITORS),
        _ONLY_BEYOND,
        snmp_2c="untouched",
    ),
    *(
        scenario
        for flavour, (box, changed) in FLAVOURS.items()
        for scenario in _each_way(f"rewriting-{flavour}", Network(rewriting=box), changed)
    ),
    _scenario(
        "kernel-all-and-rewriting-right",
        Network(editors=EDITORS, rewriting=Rewriting("right")),
        _ALL,
        FLAVOURS["right"][1],
    ),
)


def at_one_loss() -> Iterator[tuple[EditorScenario, int]]:
    """Each network once, with loss or without by turns: so each editor is met both ways."""
    return zip(EDITOR_SCENARIOS, cycle(LOSSES), strict=False)
