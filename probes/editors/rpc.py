"""RPC: an endpoint mapper is asked for an interface, and answers with a tower (fact M8).

The client binds to the endpoint mapper and says ept_map with a tower that has its own address
in it; the response has one with the address and port to go to.  Nobody goes to the address in
the request: it says which protocols are wanted.  The label is the object's UUID.
"""

from __future__ import annotations

from probes.editors.contract import Dialogue, End, Own
from probes.errors import SetupError
from probes.wire.dce import port_135
from probes.wire.dce.bind import Syntax
from probes.wire.dce.endpoint_mapper import write_map, write_tower

EMSMDB = Syntax.of("a4f1db00-ca47-1067-b31f-00dd010662da", 0, 81)
"""The mailboxes of a mail server ([MS-OXCRPC]): what has been asked for most often through
firewalls, so that they know it."""


def _client(own: Own) -> End:
    if ":" in own.socket.address or ":" in own.listening.address:
        raise SetupError("RPC's endpoint mapper carries no IPv6 address")
    return port_135.map_client(write_map(own.label, write_tower(EMSMDB, own.listening)))


DIALOGUES = (
    Dialogue(
        name="rpc",
        transport="tcp",
        ports=(port_135.PORT,),
        listens=None,
        client=_client,
        server=port_135.server,
        read=port_135.read,
    ),
)
