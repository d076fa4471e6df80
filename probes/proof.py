"""Reading what came back on a tested port: the server's proof, or who else spoke."""

from __future__ import annotations

from probes.errors import WireError
from probes.observation import AttemptOutcome
from probes.session import Session
from probes.wire import frame


def read_call(data: bytes, session: Session, number: int) -> frame.Frame | None:
    """A call of the server's for probe ``number``; None for anything else, whoever sent it."""
    try:
        got = frame.read(data, session.secret)
    except WireError:
        return None
    ours = got.authentic and got.kind == frame.CALL and got.session == session.id
    # A router may lead a call for another port here: that says nothing of this one.
    return got if ours and got.number == number else None


def read_proof(
    sent: bytes, got: bytes, session: Session
) -> frame.Answer | tuple[AttemptOutcome, str]:
    """The server's answer to ``sent``, or what the bytes are instead."""
    try:
        if frame.session_of(got) != session.id:
            return "foreign", "the answer belongs to another session"
        if got == sent:
            return "foreign", "our own bytes were sent back"
        read = frame.read(got, session.secret)
        if not read.authentic:
            return "altered", "the answer was changed on its way to this computer"
        if read.kind != frame.ANSWER:
            return "foreign", "it is no answer"
        answer = frame.read_answer(read.body)
    except WireError as error:
        return "foreign", str(error)
    if answer.digest != frame.digest(sent):
        return "altered", "what was sent was changed on its way to the server"
    return answer
