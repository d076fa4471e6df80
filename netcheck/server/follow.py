"""Going where a message says, as the other end of its protocol would (docs/protocol.md)."""

from __future__ import annotations

from netcheck.server.overhearing import Kept, Sender
from netcheck.server.session import Session, canonical
from probes.wire.messages import CallRequest, FollowRequest, Refusal
from probes.wire.reading import Carried

_DETAIL_MAX = 256  # characters of a text on the control connection


def address_in(session: Session, overheard: int, carried: int) -> tuple[Kept, Carried] | str:
    """A message that arrived, and an address in it that somebody goes to; or why there is
    none."""
    kept = session.overheard.get(overheard)
    if kept is None:
        return "there is no such message"
    reading = kept.place.language.read(kept.message)
    if reading is None or carried >= len(reading.carried):
        return "it has no such address"
    said = reading.carried[carried]
    if said.reached_by is None or not said.port:
        return f"nobody goes where {said.field} says"
    return kept, said


def call_of(
    session: Session, request: FollowRequest
) -> tuple[CallRequest, Sender | None] | Refusal:
    """The call to where the message says, and the UDP port that it leaves from, if it matters
    which: an editor opens the way for the flow of the message itself.

    That the address is one that may be called is still to be looked at.
    """
    found = address_in(session, request.overheard, request.carried)
    if isinstance(found, str):
        return Refusal(id=request.id, reason="bad-request", detail=found)
    kept, said = found
    assert said.reached_by is not None
    assert said.port is not None
    try:
        target = canonical(said.address)
    except ValueError:
        target = said.address
    if target not in session.proven:
        return Refusal(id=request.id, reason="not-proven", detail=target[:_DETAIL_MAX])
    sender = kept.place.sender if said.reached_by == "udp" else None
    call = CallRequest(
        id=request.id,
        transport=said.reached_by,
        address=target,
        ports=(said.port,),
        numbers=(request.number,),
        offsets_ms=request.offsets_ms,
        patience_ms=request.patience_ms,
        remote_port=None if sender is None else kept.place.port,
    )
    return call, sender
