"""How the network behaves, as tables: the NAT and the evidence, the path, ports and media."""

from __future__ import annotations

from netcheck.report.calls import add_calls
from netcheck.report.editors import add_editor_details
from netcheck.report.model import Dynamic, Nat, PathHop, PortMapping, Report, Stream
from netcheck.report.page import Page
from netcheck.report.stated import known, milliseconds

# Field of the NAT -> what its evidence is called: the beginnings of observation ids.
_EVIDENCE: dict[str, tuple[str, ...]] = {
    "mapping": ("nat-mapping-udp",),
    "filtering": ("nat-filtering-udp",),
    "tcp_mapping": ("nat-mapping-tcp",),
    "tcp_filtering": ("nat-filtering-tcp",),
    "tcp_unsolicited": ("nat-filtering-tcp",),
    "hairpin": ("nat-hairpin",),
    "port_preservation": ("nat-ports-udp",),
    "port_parity": ("nat-ports-udp",),
    "port_contiguity": ("nat-ports-udp",),
    "port_overloading": ("nat-ports-udp",),
    "tcp_port_preservation": ("nat-ports-tcp", "nat-mapping-tcp"),
    "pooling": ("nat-ports",),
    "binding_lifetime_s": ("binding-lifetime",),
    "binding_lifetime_min_s": ("binding-lifetime",),
    "refreshed_by": ("binding-lifetime",),
    "carrier_grade": ("hops", "port-mappers"),
    "layers": ("hops", "port-mappers"),
    "simultaneous_open": ("tcp-simultaneous-open",),
    "fragments": ("fragments-outbound", "fragments-both"),
    "fragments_out_of_order": ("fragments-outbound-out-of-order",),
    "path_mtu": ("path-mtu",),
    "icmp_errors": ("icmp-errors",),
    "nat64_prefix": ("nat64",),
}

_PLACES: dict[str, str] = {
    "router": "your router",
    "carrier": "your carrier",
    "beyond": "the Internet",
    "server": "the server",
    "unknown": "not known whose",
}

# A report that somebody made up may hold any number of these.
_MAX_ROWS = 64


def add_network_details(page: Page, report: Report) -> None:
    """Append the NAT, the path, the dynamic ports, the streams, the calls and the editors."""
    _add_nat(page, report.nat)
    _add_path(page, report.path)
    _add_dynamic(page, report)
    _add_media(page, report.media)
    add_calls(page, report.calls)
    add_editor_details(page, report.editors)


def _add_nat(page: Page, nat: Nat) -> None:
    page.heading("NAT on the path")
    facts = known(nat, besides=("evidence", "port_mapping"))
    rows = [(label, said, _evidence(name, nat)) for name, label, said in facts]
    rows += [(f"{each.protocol} on", *_mapper(each, nat)) for each in nat.port_mapping[:_MAX_ROWS]]
    if not rows:
        page.pairs([])
        return
    labels, found = (max(len(row[column]) for row in rows) for column in (0, 1))
    page.rows(rows, widths=[labels, min(found, _MAX_FOUND)], header=["What", "Found", "Seen by"])


_MAX_FOUND = 26  # columns: the longest behaviour, "address-and-port-dependent"


def _evidence(name: str, nat: Nat) -> str:
    """The observations behind one field, of those that the NAT rests on."""
    names = _EVIDENCE.get(name, ())
    seen = [each for each in nat.evidence if each.startswith(names)] if names else []
    if name == "fragments":
        seen = [each for each in seen if "out-of-order" not in each]
    return ", ".join(seen[:_MAX_ROWS])


def _mapper(mapper: PortMapping, nat: Nat) -> tuple[str, str]:
    address = mapper.external_address
    where = f"{mapper.gateway}, which says it has {address}" if address else mapper.gateway
    return where, ", ".join(each for each in nat.evidence if each.startswith("port-mappers"))


def _add_path(page: Page, path: list[PathHop]) -> None:
    if not path:
        return
    page.heading("The path to the server")
    page.rows(
        (
            (
                str(hop.ttl),
                hop.address or "no answer",
                "" if hop.rtt_ms is None else milliseconds(hop.rtt_ms),
                "" if hop.address is None else _PLACES[hop.place],
            )
            for hop in path[:_MAX_ROWS]
        ),
        widths=[
            len("Hop"),
            max(len("no answer"), *(len(hop.address or "") for hop in path)),
            len("Round trip"),
        ],
        header=["Hop", "Address", "Round trip", "Place"],
    )


def _add_dynamic(page: Page, report: Report) -> None:
    samples = (("UDP", report.dynamic_udp), ("TCP", report.dynamic_tcp))
    pairs = [(name, _sample(sample)) for name, sample in samples if sample is not None]
    if pairs:
        page.heading("Dynamic ports")
        page.pairs(pairs)


def _sample(sample: Dynamic) -> str:
    interval = "–".join(f"{bound:.0%}" for bound in sample.ci95)
    spans = ", ".join("–".join(map(str, span)) for span in sample.open_ranges[:_MAX_ROWS]) or "none"
    edges = f", each end within {sample.edges_within}" if sample.edges_within else ""
    by = f" ({sample.observation})" if sample.observation else ""
    return (
        f"{sample.open} of {sample.sampled} sampled were open ({sample.fraction:.0%},"
        f" with 95 % confidence {interval}); open ranges: {spans}{edges}{by}"
    )


def _add_media(page: Page, streams: list[Stream]) -> None:
    if not streams:
        return
    page.heading("Voice and video")
    rows = [(f"{s.kind} {s.direction.removesuffix('bound')}", *_stream(s)) for s in streams]
    page.rows(
        rows[:_MAX_ROWS],
        widths=[len("audio out"), 13, len("100.0 %"), len("100 ms"), len("3.8")],
        header=["Stream", "Received", "Lost", "Jitter", "MOS", "More"],
    )


def _stream(stream: Stream) -> tuple[str, str, str, str, str]:
    more = [
        f"{stream.reordered} out of order" if stream.reordered else "",
        f"{stream.duplicates} twice" if stream.duplicates else "",
        f"round trip {milliseconds(stream.rtt_ms)}" if stream.rtt_ms is not None else "",
    ]
    return (
        f"{'?' if stream.received is None else stream.received} of {stream.sent}",
        "?" if stream.loss is None else f"{100 * stream.loss:.1f} %",
        "" if stream.jitter_ms is None else milliseconds(stream.jitter_ms),
        "" if stream.mos is None else f"{stream.mos:.1f}",
        ", ".join(filter(None, more)),
    )
