"""The report, ``netcheck.report/1``: the keys that scripts and helpdesks rely on.

Unknown is ``"unknown"`` or null, never a guess.  Keys may be added; none is
renamed or given another meaning.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from netcheck.cause import Cause
from probes.observation import AnyObservation, Transport

SCHEMA: Literal["netcheck.report/1"] = "netcheck.report/1"

Verdict = Literal["works", "limited", "fails", "unknown"]
Direction = Literal["outbound", "inbound"]
PortState = Literal[
    "open",
    "refused",
    "blocked",
    "intercepted",
    "altered",
    "busy",
    "unavailable",
    "untested",
    "unknown",
]
Severity = Literal["error", "warning", "info"]
EditorVerdict = Literal[
    "not-needed",
    "edited",
    "edited-unreachable",
    "untouched",
    "mangled",
    "blocked",
    "not-tested",
]
CallReached = Literal["untested", "nothing", "answered", "control", "media"]
CallSides = Literal["both", "only-you", "only-they", "neither", "unknown"]
Behaviour = Literal[
    "endpoint-independent", "address-dependent", "address-and-port-dependent", "unknown"
]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: str


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The computer that was tested."""

    name: str
    system: str
    addresses: list[str] = []
    gateways: list[str] = []
    dns_servers: list[str] = []
    vpn_interfaces: list[str] = []
    proxies: dict[str, str] = {}


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """The echo server.  ``rtt_ms`` is the smallest round trip of the control connection."""

    host: str
    embedded: bool
    reached: bool
    addresses: list[str] = []
    rtt_ms: float | None = None
    software: str = ""
    via_proxy: str | None = None
    certificate: Literal["pinned", "authority", "unchecked", "none"] = "none"
    fingerprint: str | None = None


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """``evidence`` are the observations that the verdict rests on, whatever it is."""

    profile: str
    feature: str
    title: str
    verdict: Verdict
    summary: str
    findings: list[str] = []
    capacity: int | None = None
    evidence: list[str] = []


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """``port`` is the remote one outbound, the local one inbound; ``why`` explains a
    state that is not plain, ``observation`` is the evidence."""

    transport: Transport
    direction: Direction
    port: int
    state: PortState
    local_port: int | None = None
    remote_port: int | None = None
    rtt_ms: float | None = None
    attempts: int = 0
    reached_server: bool | None = None
    why: str = ""
    observation: str | None = None


class PortMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that offers to map ports, and the public address it claims to have."""

    protocol: str
    gateway: str
    external_address: str | None = None


class Nat(msgspec.Struct, frozen=True, kw_only=True):
    """How the NAT on the path behaves (RFC 4787, 5382).  Null and ``unknown``: not tested."""

    present: bool | None = None
    public_addresses: list[str] = []
    mapping: Behaviour = "unknown"
    filtering: Behaviour = "unknown"
    tcp_mapping: Behaviour = "unknown"
    tcp_filtering: Behaviour = "unknown"
    hairpin: bool | None = None
    port_preservation: bool | None = None
    port_parity: bool | None = None
    port_contiguity: bool | None = None
    port_overloading: bool | None = None
    pooling: Literal["paired", "arbitrary", "unknown"] = "unknown"
    binding_lifetime_s: float | None = None
    carrier_grade: bool | None = None
    layers: int | None = None
    tcp_port_preservation: bool | None = None
    tcp_unsolicited: Literal["silence", "reset", "icmp", "unknown"] = "unknown"
    simultaneous_open: bool | None = None
    binding_lifetime_min_s: float | None = None
    refreshed_by: list[Direction] | None = None
    tcp_lifetime_s: float | None = None
    tcp_lifetime_min_s: float | None = None
    fragments: Literal["pass", "dropped", "unknown"] = "unknown"
    fragments_out_of_order: Literal["pass", "dropped", "unknown"] = "unknown"
    path_mtu: int | None = None
    icmp_errors: bool | None = None
    nat64_prefix: str | None = None
    port_mapping: list[PortMapping] = []
    evidence: list[str] = []


class PathHop(msgspec.Struct, frozen=True, kw_only=True):
    """A device on the way to the server: ``place`` is whose it is, as far as addresses tell."""

    ttl: int
    address: str | None
    rtt_ms: float | None = None
    place: Literal["router", "carrier", "beyond", "server", "unknown"] = "unknown"


class Dynamic(msgspec.Struct, frozen=True, kw_only=True):
    """A sample of the dynamic ports 1024-65535; ``ci95`` is a Wilson interval."""

    sampled: int
    open: int
    fraction: float
    ci95: list[float]
    open_ranges: list[list[int]]
    edges_within: int | None = None  # ports by which an end of a range may be off
    observation: str | None = None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One RTP stream in one direction.  ``loss`` is a fraction; ``mos`` (1 to 4.5, ITU-T
    G.107) is null where too few packets were sent to tell, and for video."""

    kind: Literal["audio", "video"] = "audio"
    direction: Direction
    sent: int
    received: int | None
    loss: float | None
    jitter_ms: float | None = None
    reordered: int = 0
    duplicates: int = 0
    rtt_ms: float | None = None
    mos: float | None = None
    observation: str | None = None


class EditorDialogue(msgspec.Struct, frozen=True, kw_only=True):
    """One way of saying it, such as FTP's PORT beside EPRT, or a second port.  ``name`` says
    which, in words."""

    name: str
    verdict: EditorVerdict
    sent: str | None = None
    received: str | None = None
    pinhole: bool | None = None
    reason: str = ""


class Editor(msgspec.Struct, frozen=True, kw_only=True):
    """What befell the addresses inside one protocol's messages: the worst of its ``dialogues``.

    ``field`` is where in the message ``sent`` was written and ``received`` was read; PPTP's
    call IDs are numbers without an address.  ``pinhole``: whether the echo server got in there.
    ``acts_on``: what shows the editor that it is to act, the protocol's own port or, as it
    acts on other ports alike, the content; null where nothing was changed or only one was seen.
    ``own_address_only``: another address in the same messages was left alone.
    """

    protocol: str
    verdict: EditorVerdict
    sent: str | None = None
    received: str | None = None
    pinhole: bool | None = None
    reason: str = ""
    field: str | None = None
    acts_on: Literal["port", "content"] | None = None
    own_address_only: bool | None = None
    dialogues: list[EditorDialogue] = []
    evidence: list[str] = []


class PlacedMedium(msgspec.Struct, frozen=True, kw_only=True):
    """Sound or picture of a call, in one direction, to where the receiver's messages said as they
    arrived: ``to`` RTP, ``rtcp_to`` its reports.  ``arrives`` and ``reports_arrive`` are null
    where that is not known; ``reason`` says why not, or why they do not."""

    kind: Literal["audio", "video"]
    direction: Direction
    to: str | None
    rtcp_to: str | None
    sent: int
    received: int | None
    reports: int | None
    arrives: bool | None
    reports_arrive: bool | None
    reason: str = ""


class PlacedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call by H.323.  ``direction`` inbound: the echo server called the address in the
    directory.  ``reached``: how far it came: its set-up was ``answered``, the ``control``
    channel reached, and what ``media`` need agreed on there.  ``set_up``: whether it came as far
    as the control channel, null where that is not known.  ``signalling``, ``control`` and
    ``data``: where these connections went, or should have gone; ``data_reached``: whether T.120
    was reached.  ``sound`` and ``picture``: who hears and sees the other.
    """

    direction: Direction
    reached: CallReached
    set_up: bool | None
    reason: str = ""
    signalling: str | None = None
    control: str | None = None
    data: str | None = None
    data_reached: bool | None = None
    sound: CallSides = "unknown"
    picture: CallSides = "unknown"
    media: list[PlacedMedium] = []
    evidence: list[str] = []


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """``article`` is the id of the knowledge-base article; ``parameters`` fill it in."""

    id: str
    cause: Cause
    severity: Severity
    article: str
    title: str
    evidence: list[str]
    parameters: dict[str, str | int | list[str | int]] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """``complete`` is False when the check was cancelled or cut short."""

    schema: Literal["netcheck.report/1"] = SCHEMA
    id: str
    started_at: str
    duration_s: float
    tool: Tool
    host: Host
    server: Server
    overall: Verdict
    complete: bool = True
    note: str = ""
    features: list[Feature] = []
    ports: list[Port] = []
    dynamic_udp: Dynamic | None = None
    dynamic_tcp: Dynamic | None = None
    nat: Nat = Nat()
    path: list[PathHop] = []
    media: list[Stream] = []
    editors: list[Editor] = []
    calls: list[PlacedCall] = []
    findings: list[Finding] = []
    observations: list[AnyObservation] = []
