"""What a contact of the user's would find who reads invitations to fetch files (facts M2-M5)."""

from __future__ import annotations

import msgspec

from probes.observation.base import Attempt, Observation
from probes.observation.editors import Heard


class Invitation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """To fetch one file at our own ``port``.

    ``sent`` and ``arrived`` are the address in it, as address:port (None: it was not sent, or
    did not arrive).  ``attempts`` are the server's to get in where it says, as it arrived;
    ``heard`` how many of them knew the secret.  ``refused``: why it did not try;
    ``not-proven``: it is not known to be our address, which alone is an answer.
    ``busy``: something else on this computer has the port.
    """

    port: int
    sent: str | None = None
    arrived: str | None = None
    attempts: tuple[Attempt, ...] = ()
    heard: int = 0
    refused: str = ""
    busy: bool = False
    untested: str = ""


class Invited(Observation, frozen=True, kw_only=True, tag="invited", omit_defaults=True):
    """Several invitations in one conversation with a contact, which is the echo server, and that
    contact's way to all of them at once.

    ``together`` are our ports whose connections were all open in one moment, and carried data
    both ways: the server's before it, and ours from then on.  ``talk`` is how the conversation
    fared, as in Talk; ``local``, ``source``, ``out`` and ``tries`` are those of it.
    """

    invitations: tuple[Invitation, ...]
    together: tuple[int, ...] = ()
    talk: str = "untested"
    local: str | None = None
    source: str | None = None
    out: Heard = Heard()
    tries: int = 0
    untested: str = ""
