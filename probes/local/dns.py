"""Look the echo server's name up: through the operating system, and directly at the name servers.

Applications use the operating system's resolver, so its answer decides.  The
direct question shows whether a wrong answer comes from this computer or from
the name servers.  A third question, for a name that cannot exist, reveals
name servers that invent answers.  All are asked at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from probes.observation import NameLookup

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

T = TypeVar("T")
Outcome = Literal["resolved", "no-such-name", "no-address", "failed", "silent"]

DNS_PATIENCE_S = 3.0
"""For the whole lookup: two lost packets are survived, and nobody waits longer for a page."""

DNS_TRY_S = 1.0
"""For one packet: a resolver that must ask others usually has its answer within a second."""

INVENTED_GRACE_MIN_S = 0.02
"""An answer from a cache takes no time at all; the question for the impossible name needs some."""

MAX_ADDRESSES = 16
MAX_SERVICES = 8
MAX_NAME = 253  # RFC 1035 section 2.3.4: 255 octets on the wire
MAX_LABEL = 63
MAX_DETAIL = 300

_LABEL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_WSANO_DATA = 11004  # Windows: the name exists, but has no address
_NO_ADDRESS = {
    getattr(socket, "EAI_NODATA", _WSANO_DATA),
    getattr(socket, "EAI_ADDRFAMILY", _WSANO_DATA),
    _WSANO_DATA,
}


class _Reply(NamedTuple):
    outcome: Outcome
    addresses: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    detail: str = ""
    took_s: float = 0.0


class Service(NamedTuple):
    """One SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


async def look_up(
    name: str,
    *,
    at_s: Callable[[], float],
    service: bool = False,
    resolver: Resolver | None = None,
    ask_system: Callable[[str], Sequence[str]] | None = None,
    randint: Callable[[int, int], int] = random.randint,
    patience_s: float = DNS_PATIENCE_S,
) -> NameLookup:
    """Resolve a host name (never a literal address); nothing is raised.

    ``at_s`` tells the seconds since the check began.  ``service`` asks for the
    SRV record of ``_netcheck._tcp`` too.  ``resolver`` and ``ask_system``
    stand for the configured name servers and for :func:`system_addresses`.
    """
    began_s = at_s()

    def observed(outcome: Outcome, **facts: Any) -> NameLookup:
        return NameLookup(
            id="dns", at_s=began_s, took_s=at_s() - began_s, name=name, outcome=outcome, **facts
        )

    try:
        host = host_name(name)
    except ValueError as error:
        return observed("failed", detail=f"This is not a host name: {error}"[:MAX_DETAIL])

    deadline = asyncio.get_running_loop().time() + patience_s
    ask = ask_system or system_addresses
    system = _in_daemon_thread(lambda: _system_reply(ask, host))
    if resolver is None:
        resolver, complaint = await _in_daemon_thread(_configured_resolver)
    else:
        complaint = ""
    if resolver is None:
        reply = await _before(deadline, system)
        return observed(
            reply.outcome, addresses=reply.addresses, detail=_sentences(reply.detail, complaint)
        )

    async with asyncio.TaskGroup() as group:
        impossible = f"{secrets.token_hex(16)}.invalid."
        invented = group.create_task(_query(resolver, impossible, "A", deadline))
        four = group.create_task(_query(resolver, host, "A", deadline))
        six = group.create_task(_query(resolver, host, "AAAA", deadline))
        services: tuple[Service, ...] = ()
        if service:
            services = (await _query(resolver, f"_netcheck._tcp.{host}", "SRV", deadline)).services
        reply = await _before(deadline, system)
        direct = _joined(await six, await four)
        # The same servers were asked at the same moment: one more round trip is all they can need.
        await asyncio.wait({invented}, timeout=max(INVENTED_GRACE_MIN_S, direct.took_s))
        invented.cancel()

    return observed(
        reply.outcome,
        addresses=reply.addresses,
        dns_outcome=direct.outcome,
        dns_addresses=direct.addresses,
        service=in_service_order(services, randint),
        invented=None if invented.cancelled() else next(iter(invented.result().addresses), None),
        detail=_sentences(reply.detail, direct.detail),
    )


def host_name(name: str) -> str:
    """The name as name servers know it: ASCII, by IDNA 2008 with the mapping of UTS 46.

    A final dot stays, because it says that no search list applies.
    Raises ValueError, with the reason, for what can be no host name (RFC 1035 section 2.3.4).
    """
    if len(name) > MAX_NAME + 1:
        raise ValueError(f"it is longer than {MAX_NAME} characters")
    text = name
    if not text.isascii():
        import idna

        text = idna.encode(text, uts46=True).decode("ascii")
    labels = text.removesuffix(".").split(".")
    if not all(labels):
        raise ValueError("it is empty, or has a dot too many")
    for label in labels:
        if len(label) > MAX_LABEL:
            raise ValueError(f"a part of it is longer than {MAX_LABEL} characters")
        if not _LABEL.fullmatch(label):
            raise ValueError("it has characters other than letters, digits, '-', '_' and dots")
    if len(".".join(labels)) > MAX_NAME:
        raise ValueError(f"it is longer than {MAX_NAME} characters")
    return text


def in_service_order(
    records: Iterable[Service], randint: Callable[[int, int], int] = random.randint
) -> tuple[str, ...]:
    """The targets as ``host:port``, ordered by priority, then drawn by weight (RFC 2782).

    The target ``.`` says that the service is not offered, so it yields nothing.
    """
    usable = [record for record in records if record.port and _is_host(record.target)]
    ordered: list[str] = []
    for priority in sorted({record.priority for record in usable}):
        # Weight 0 stands first, which leaves it a small chance of being drawn early.
        urn = sorted((r for r in usable if r.priority == priority), key=lambda r: r.weight > 0)
        while urn:
            drawn = randint(0, sum(record.weight for record in urn))
            for record in urn:
                drawn -= record.weight
                if drawn <= 0:
                    break
            urn.remove(record)
            ordered.append(f"{record.target.removesuffix('.')}:{record.port}")
    return tuple(dict.fromkeys(ordered))[:MAX_SERVICES]


def system_addresses(host: str) -> Sequence[str]:
    """The addresses in the order in which applications should try them; blocks.

    Raises OSError (mostly socket.gaierror).
    """
    # One socket type, else every address comes three times.
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(a[4][0]) for a in found if a[0] in (socket.AF_INET, socket.AF_INET6)]


def _system_reply(ask: Callable[[str], Sequence[str]], host: str) -> _Reply:
    try:
        addresses = _few(ask(host))
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            return _Reply("no-such-name", detail=_of_system(error.strerror))
        if error.errno in _NO_ADDRESS:
            return _Reply("no-address", detail=_of_system(error.strerror))
        return _Reply("failed", detail=_of_system(error.strerror))
    except Exception as error:  # a name service plug-in can raise anything
        return _Reply("failed", detail=_of_system(str(error)))
    return _Reply("resolved", addresses) if addresses else _Reply("no-address")


async def _before(deadline: float, system: asyncio.Future[_Reply]) -> _Reply:
    try:
        async with asyncio.timeout_at(deadline):
            return await system
    except TimeoutError:
        return _Reply("silent", detail=_of_system("no answer in time"))


async def _query(resolver: Resolver, name: str, kind: str, deadline: float) -> _Reply:
    import dns.exception
    import dns.resolver

    loop = asyncio.get_running_loop()
    began = loop.time()
    # Only a name without a dot is meant to be completed by the search list.
    search = "." not in name
    try:
        async with asyncio.timeout_at(deadline):
            answer = await resolver.resolve(name, kind, search=search, lifetime=deadline - began)
            records: list[Any] = list(answer)
            reply = _Reply(
                "resolved",
                addresses=_few(str(r.address) for r in records if kind != "SRV"),
                services=tuple(
                    Service(r.priority, r.weight, r.port, r.target.to_text())
                    for r in records
                    if kind == "SRV"
                ),
            )
    except dns.resolver.NXDOMAIN:
        reply = _Reply("no-such-name")
    except dns.resolver.NoAnswer:
        reply = _Reply("no-address")
    except (TimeoutError, dns.exception.Timeout):
        return _Reply("silent", detail=_of_servers("no answer in time"))
    except Exception as error:  # whatever a broken answer provokes is a result
        reply = _Reply("failed", detail=_of_servers(str(error) or type(error).__name__))
    return reply._replace(took_s=loop.time() - began)


def _joined(six: _Reply, four: _Reply) -> _Reply:
    """What both address families say together; an answer outweighs the lack of one."""
    order: tuple[Outcome, ...] = ("resolved", "no-such-name", "failed", "silent", "no-address")
    better = min(six, four, key=lambda reply: order.index(reply.outcome))
    return better._replace(
        addresses=_few(six.addresses + four.addresses), took_s=max(six.took_s, four.took_s)
    )


def _configured_resolver() -> tuple[Resolver | None, str]:
    """The name servers of this computer, or why they are not known."""
    try:
        import dns.asyncresolver

        resolver = dns.asyncresolver.Resolver()
    except Exception as error:  # unreadable settings come in many types
        return None, f"The name servers are not known: {error}"
    resolver.timeout = DNS_TRY_S
    return resolver, ""


def _in_daemon_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Run ``work``, which must not raise, without ever being waited for.

    getaddrinfo can hang for minutes, and asyncio.run() joins the threads of
    its executor before it returns.  A daemon thread is left behind instead.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(value: T) -> None:
        if not future.done():
            future.set_result(value)

    def run() -> None:
        value = work()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(deliver, value)

    threading.Thread(target=run, name="name-lookup", daemon=True).start()
    return future


def _is_host(target: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(host_name(target))
    return False


def _few(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))[:MAX_ADDRESSES]


def _of_system(reason: str | None) -> str:
    return f"Operating system: {reason or 'no reason given'}"


def _of_servers(reason: str) -> str:
    return f"Name servers: {reason}"


def _sentences(*parts: str) -> str:
    return "; ".join(part for part in parts if part)[:MAX_DETAIL]
