"""Whether a contact reaches the files that the user offers: as many at once as the profiles ask
for (facts M2, M3, M5)."""

from __future__ import annotations

import asyncio

from netcheck.measure import editors
from netcheck.measure.record import Record
from netcheck.plan import Plan
from probes import conversation, inviting
from probes.conversation import Place
from probes.editors import msn
from probes.session import Session

PROTOCOL = "msn"


def untested(plan: Plan, record: Record, why: str) -> None:
    """State that nobody was invited, if the plan wants it."""
    if plan.invited:
        record.observe(inviting.untested(plan.invited, record.now(), why))


async def invite(
    session: Session,
    plan: Plan,
    record: Record,
    offer: editors.Offer,
    inbound_tested: asyncio.Event,
    port: int = msn.PORT,
) -> None:
    """Invite a contact to every port that the plan names, once others have been tested there
    (``inbound_tested``) and it is free again."""
    if not plan.invited:
        return
    (dialogue,) = (one for one in msn.DIALOGUES if one.name == msn.FILE)
    why = conversation.why_not(dialogue, session.local_address)
    if not why and not offer.has(dialogue, port):
        why = f"the echo server does not speak {dialogue.name} there"
    if why:
        untested(plan, record, why)
        return
    place = Place(
        protocol=PROTOCOL,
        dialogue=dialogue,
        port=port,
        aim="own-port",
        server=offer.address or session.server_address,
        same_version=offer.same_version,
    )
    await inbound_tested.wait()
    record.observe(await inviting.invite(session, place, plan.invited))
