"""The server's end of a protocol on a real socket, for clients that we did not write."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from probes.editors.contract import Dialogue, Own, Step
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import SERVER

PATIENCE_S = 10.0  # a client that needs longer on loopback is stuck


@contextmanager
def served(dialogue: Dialogue, heard: list[bytes], *, beyond: int = 0) -> Iterator[Endpoint]:
    """One connection over TCP to 127.0.0.1.  What arrives goes to ``heard``.  Its messages
    announce the same port, which is ``beyond`` the one that its end is given.  Fails if the end
    raises, or if the client has not gone when the block ends."""
    errors: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        at = Endpoint.of(listener.getsockname())

        def serve() -> None:
            try:
                with listener.accept()[0] as connection:
                    connection.settimeout(PATIENCE_S)
                    _serve(dialogue, connection, at, heard, beyond)
            except BaseException as error:  # a thread's exception would be lost
                errors.append(error)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield at
        thread.join(PATIENCE_S + 1)
    assert not thread.is_alive()
    if errors:
        raise errors[0]


def _serve(
    dialogue: Dialogue, connection: socket.socket, at: Endpoint, heard: list[bytes], beyond: int
) -> None:
    peer = Endpoint.of(connection.getpeername())
    listening = Endpoint(at.address, at.port - beyond)
    own: Own = msgspec.structs.replace(SERVER, socket=at, listening=listening, peer=peer)
    end = dialogue.server(own)

    def take(step: Step) -> bool:
        heard.extend(step.arrived)
        for data in step.send:
            connection.sendall(data)
        return step.over

    over = take(end.begin())
    while not over and (data := connection.recv(4096)):
        over = take(end.receive(data))
