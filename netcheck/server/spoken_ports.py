"""Ports on which another protocol is spoken, beside the echo or instead of it.

The first bytes decide: a frame begins with its magic, and no message of another protocol does.
Where the server has to speak first, and on the dynamic ports, nothing is echoed.
"""

from __future__ import annotations

import asyncio
from typing import cast

from netcheck.server.dialogues import Conversation, Flows, Post
from netcheck.server.echo import Desk, EchoTcp, EchoUdp
from netcheck.server.session import canonical
from probes.errors import WireError
from probes.wire import frame

_KIND = len(frame.MAGIC)  # where a frame has its kind


class SpokenTcp(EchoTcp):
    """One connection."""

    def __init__(self, desk: Desk, post: Post) -> None:
        super().__init__(desk, post.port, post.only)
        self._post = post
        self._conversation: Conversation | None = None
        self._is_echo = False
        self._left = desk.limits.spoken_bytes
        self._unsure = post.echoes  # whether what comes may be an altered frame
        self._first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._admitted and not self._post.echoes:
            self._converse()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._conversation:
            self._keep_stray()
            self._conversation.left()
            self._post.connections.discard(self)
            self._post.stage.leave(self._source.address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._conversation is None and not self._is_echo:
            head = (bytes(self._buffer) + data)[: len(frame.MAGIC)]
            if not frame.MAGIC.startswith(head):
                data = bytes(self._buffer) + data
                self._buffer.clear()
                if not self._converse():
                    return
            self._is_echo = head == frame.MAGIC
        if self._conversation is None:
            super().data_received(data)
        else:
            self._hear(self._conversation, data)

    def _converse(self) -> bool:
        if not self._post.stage.enter(self._source.address):
            self.end()
            return False
        self._conversation = Conversation(self._post, self._source)
        self._post.connections.add(self)
        self._say(self._conversation.begin())
        return True

    def _hear(self, conversation: Conversation, data: bytes) -> None:
        if self._left == self._desk.limits.spoken_bytes:
            self._expect_within(self._desk.limits.connection_s)  # for all of it
        self._left -= len(data)
        if self._left < 0 or not self._post.stage.take_turn(self._source.address):
            self.end()
            return
        if self._unsure:
            self._first += data[: frame.SIZE]
        try:
            with self._post.stage.working(self._source.address):
                step = conversation.receive(data)
        except WireError:
            self._close()
            return
        self._unsure = self._unsure and not conversation.heard
        if len(self._first) >= frame.SIZE:
            self._keep_stray()
        self._say(step.send)
        if step.over:
            self._close()

    def _say(self, messages: tuple[bytes, ...]) -> None:
        """Each in a segment of its own, as editors want them; asyncio sets TCP_NODELAY."""
        for message in messages:
            self.speak(message)

    def _keep_stray(self) -> None:
        """It may have been a frame, and altered on the way."""
        if self._unsure:
            self._stray(self._first)
            self._unsure = False


class SpokenUdp(EchoUdp):
    """One socket for datagrams."""

    def __init__(self, desk: Desk, post: Post) -> None:
        super().__init__(desk, post.port, post.only)
        self._post = post
        self._flows = Flows(post, self)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if data.startswith(frame.MAGIC):
            # What follows a message leaves from here, so its answer comes here.
            if self._post.echoes or data[_KIND : _KIND + 1] == bytes([frame.REPLY]):
                super().datagram_received(data, addr)
            return
        source = frame.Endpoint(canonical(str(addr[0])), int(addr[1]))
        answer = self._flows.answer(data, source)
        if not answer or self.transport is None or self.transport.is_closing():
            return
        # typeshed does not know that transports of datagrams tell it too.
        unsent = cast(asyncio.WriteTransport, self.transport).get_write_buffer_size()
        if unsent < self._desk.limits.stun_unsent:
            self.transport.sendto(answer, addr)
