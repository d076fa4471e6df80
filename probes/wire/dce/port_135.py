"""What lives on TCP port 135: a server of all interfaces there, and the reading of what is said.

A message does not name its interface; the context that its client chose does.  The clients
beside this file choose theirs from here, so that each message can be read by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from probes.errors import WireError
from probes.wire.dce import activation, endpoint_mapper, management, object_exporter, pdu
from probes.wire.dce.ends import Client, Server
from probes.wire.dce.ndr import Reader
from probes.wire.end import End, Own
from probes.wire.reading import Reading

PORT = 135  # IANA: epmap

EPM_CONTEXT = 0
ACTIVATION_CONTEXT = 1

_OFFERED = (
    endpoint_mapper.SYNTAX,
    management.SYNTAX,
    object_exporter.SYNTAX,
    activation.SYNTAX,
)
_INTERFACES = (
    endpoint_mapper.interface(_OFFERED),
    management.interface(_OFFERED),
    object_exporter.INTERFACE,
    activation.INTERFACE,
)

_PARAMETERS: dict[tuple[int, int, int], tuple[str, Callable[[Reader], object]]] = {
    (EPM_CONTEXT, pdu.REQUEST, endpoint_mapper.MAP): ("ept_map", endpoint_mapper.read_map),
    (EPM_CONTEXT, pdu.RESPONSE, 0): ("ept_map response", endpoint_mapper.read_mapped),
    (ACTIVATION_CONTEXT, pdu.REQUEST, activation.REMOTE_ACTIVATION): (
        "RemoteActivation",
        activation.read_request,
    ),
    (ACTIVATION_CONTEXT, pdu.RESPONSE, 0): ("RemoteActivation response", activation.read_response),
}


def map_client(stub: bytes) -> End:
    """Says ept_map with these parameters."""
    return Client(endpoint_mapper.SYNTAX, EPM_CONTEXT, endpoint_mapper.MAP, stub)


def activation_client(stub: bytes) -> End:
    """Says RemoteActivation with these parameters."""
    operation = activation.REMOTE_ACTIVATION
    return Client(activation.SYNTAX, ACTIVATION_CONTEXT, operation, stub)


def server(own: Own) -> End:
    return Server(own, _INTERFACES)


def read(message: bytes) -> Reading:
    """A message of either end.  Raises WireError for what is none; parameters that cannot be
    read are a fault of it."""
    got = pdu.read(message)
    kind, parameters = pdu.NAMES[got.kind], None
    if got.kind in (pdu.REQUEST, pdu.RESPONSE):
        kind, parameters = _PARAMETERS.get(
            (got.context, got.kind, got.operation), (kind, parameters)
        )
    reader = Reader("dce", got.body, little=got.little)
    reader.note(got.frame)
    reader.faults += got.faults
    try:
        if parameters is not None:
            parameters(reader)
    except WireError as error:
        reader.faults.append(str(error))
    reader.remainder()
    return Reading(
        kind=kind,
        label=reader.label,
        carried=tuple(reader.carried),
        rest=reader.rest,
        faults=tuple(reader.faults),
    )
