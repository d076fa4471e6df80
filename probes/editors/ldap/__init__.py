"""LDAP: a user who registers at an Internet Locator Server (RFC 4511; [MS-TAIL]).

As NetMeeting does, the client binds, adds the user's entry with its address in ``sipaddress``,
modifies it and unbinds, but first it searches for the entry.  The server gives it back as it was
told it, so an editor is seen from both sides.  AddRequest and ModifyRequest carry the address
alike: an editor may know the one and not the other.  Who wants to call goes to port 1720 there.

The label is in the e-mail address, which is the user's name in the directory.  ``sipaddress``
is a number of 32 bits: there is no IPv6 here.
"""

from __future__ import annotations

from probes.editors.contract import Dialogue, End, Own
from probes.editors.ldap.client import User
from probes.editors.ldap.messages import CALLS_PORT, read
from probes.editors.ldap.server import Directory
from probes.errors import SetupError

PORT = 389
ILS_PORT = 1002
"""Where Windows 2000 Server put its ILS, as 389 is the Active Directory's ([MS-TAIL] 3.5.3)."""


def _user(own: Own) -> End:
    if ":" in own.socket.address:
        raise SetupError("an entry of an Internet Locator Server carries no IPv6 address")
    return User(own)


DIALOGUES = (
    Dialogue(
        name="ldap",
        transport="tcp",
        ports=(PORT, ILS_PORT),
        listens="tcp",
        listens_port=CALLS_PORT,
        client=_user,
        server=lambda own: Directory(),
        read=read,
    ),
)
