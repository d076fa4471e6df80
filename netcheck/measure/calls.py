"""A call as NetMeeting makes it, out and in (facts N1-N3, N5, N7, N8)."""

from __future__ import annotations

import asyncio

from netcheck.measure import editors
from netcheck.measure.record import Record
from netcheck.plan import Plan
from probes import conversation
from probes.announced import Announced
from probes.calling import inward, outward
from probes.calling.call import H323, SIGNALLING, Server, untested_call
from probes.calling.directory import LDAP, registered
from probes.editors.h323.addresses import T120
from probes.session import Session

NO_ENTRY = "no entry of ours arrived in the echo server's directory"


def untested(plan: Plan, record: Record, why: str) -> None:
    """State that nobody called, if the plan wants it."""
    if plan.calls:
        for direction in outward.Outward.direction, inward.Inward.direction:
            record.observe(untested_call(direction, record.now(), why))


async def call(
    session: Session,
    plan: Plan,
    record: Record,
    offer: editors.Offer,
    inbound_tested: asyncio.Event,
    announced: asyncio.Event,
    directories: tuple[int, ...] = LDAP.ports,
) -> None:
    """Call the server and be called.  ``inbound_tested``: the TCP ports of this computer that
    others are to reach have been tested, and are free; ``announced``: those that a dialogue has
    to announce have been, and are free again as well."""
    if not plan.calls:
        return
    server = Server(
        address=offer.address or session.server_address, same_version=offer.same_version
    )
    if not offer.has(H323, SIGNALLING):
        untested(plan, record, f"the echo server does not speak {H323.name} there")
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(_out(session, plan, record, server, inbound_tested))
        at = tuple(port for port in directories if offer.has(LDAP, port))
        group.create_task(_in(session, plan, record, server, at, inbound_tested, announced))


async def _out(
    session: Session, plan: Plan, record: Record, server: Server, inbound_tested: asyncio.Event
) -> None:
    """See netcheck.plan for why it waits."""
    if T120 in plan.inbound_tcp:
        await inbound_tested.wait()
    sharing = Announced(session)
    try:
        try:
            await sharing.open("tcp", T120)
        except OSError:
            record.observe(await outward.hold(session, server))
        else:
            record.observe(await outward.hold(session, server, sharing))
    finally:
        await sharing.close()


async def _in(
    session: Session,
    plan: Plan,
    record: Record,
    server: Server,
    directories: tuple[int, ...],
    inbound_tested: asyncio.Event,
    announced: asyncio.Event,
) -> None:
    def leave(why: str) -> None:
        record.observe(untested_call(inward.Inward.direction, session.now(), why))

    why = conversation.why_not(LDAP, session.local_address)
    if why or not directories:
        leave(why or "the echo server has no directory")
        return
    if {SIGNALLING, T120} & {*plan.inbound_tcp}:
        await inbound_tested.wait()
    async with registered(session, directories, server.address) as entry:
        if entry is None:
            leave(NO_ENTRY)
            return
        await announced.wait()
        record.observe(await inward.hold(session, server, entry))
