"""DCOM: an object is activated from one that the client keeps (fact M8).

The client says RemoteActivation with a storage of its own, an object reference with its address
and port as text: the server's side would go there to read.  The response has references to the
new object, with the server's addresses.  Both carry IPv6.  The label is the causality identifier
of the call, and is not a part of any reference.
"""

from __future__ import annotations

from probes.editors.contract import Dialogue, End, Own
from probes.wire.dce import port_135
from probes.wire.dce.activation import write_request


def _client(own: Own) -> End:
    return port_135.activation_client(write_request(own))


DIALOGUES = (
    Dialogue(
        name="dcom",
        transport="tcp",
        ports=(port_135.PORT,),
        listens="tcp",
        client=_client,
        server=port_135.server,
        read=port_135.read,
    ),
)
