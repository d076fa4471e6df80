"""Other protocols, spoken with whoever asks: what a real server of theirs would say.

A message with a session's label makes the connection, or the flow of datagrams, that session's,
which is then told every whole message of it (docs/protocol.md).
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from netcheck.server.limits import ServerLimits, SharedBuckets
from netcheck.server.overhearing import Place, Sender
from netcheck.server.repertoire import Language, Repertoire
from netcheck.server.session import OpenConnection, Session, Sessions, Terminal, neighbourhood
from netcheck.server.unread import Unread
from probes.editors.contract import ANNOUNCED_PORT, LABEL_SIZE, Own, Step
from probes.errors import WireError
from probes.wire import label
from probes.wire.frame import Endpoint
from probes.wire.messages import OVERHEARD_MAX

CALLS = "h323"
"""The dialogue that announces a terminal's port, where there is one."""

_UNCLAIMED_MAX = 16
"""Messages that wait for one with a label: the label is in the first or second of each dialogue."""


_TURNS_PER_MS = 5
"""Of work: a burst from one source then keeps all others waiting for 0.4 s, and not for two."""


class Stage:
    """What the conversations of a server share: what it speaks, the sessions, the ceilings.

    ``public`` is what clients know an own address as, where that is not itself.
    """

    def __init__(self, sessions: Sessions, limits: ServerLimits) -> None:
        self.sessions = sessions
        self.limits = limits
        self.repertoire: Repertoire | None = None
        self.public: dict[str, str] = {}
        self.unread = Unread(limits.unread_records)
        self._turns = SharedBuckets(limits.spoken_per_s, limits.spoken_burst)
        self._connections = 0
        self._per_source: Counter[str] = Counter()

    def named(self, dialogue: str) -> Language | None:
        return self.repertoire.named(dialogue) if self.repertoire else None

    def take_turn(self, source: str) -> bool:
        """Whether what came from ``source`` is read.  If not, its sessions are told."""
        if self._turns.take(neighbourhood(source), time.monotonic()):
            return True
        self.sessions.not_served(source)
        return False

    @contextmanager
    def working(self, source: str) -> Iterator[None]:
        """What is done here with what came takes further turns if it takes long: a message can
        be made that takes a hundred times as long to read as one that is meant."""
        began = time.thread_time()
        try:
            yield
        finally:
            further = _TURNS_PER_MS * int((time.thread_time() - began) * 1000)
            self._turns.owe(neighbourhood(source), time.monotonic(), further)

    def enter(self, source: str) -> bool:
        """Whether one more connection from ``source`` is spoken with."""
        full = self._connections >= self.limits.spoken_connections
        near = neighbourhood(source)
        if full or self._per_source[near] >= self.limits.spoken_connections_per_source:
            self.sessions.not_served(source, full=full)
            return False
        self._connections += 1
        self._per_source[near] += 1
        return True

    def leave(self, source: str) -> None:
        near = neighbourhood(source)
        self._connections -= 1
        self._per_source[near] -= 1
        if self._per_source[near] <= 0:
            del self._per_source[near]


class Post:
    """A port of ``address`` on which a language is spoken; for ``only`` one session, if it
    opened the port, and then nothing else is.  The messages say that the server listens at
    ``announced``."""

    def __init__(
        self,
        stage: Stage,
        language: Language,
        address: str,
        port: int,
        only: Session | None = None,
        announced: int = ANNOUNCED_PORT,
    ) -> None:
        self.stage = stage
        self.language = language
        self.address = stage.public.get(address, address)
        self.port = port
        self.only = only
        self.echoes = only is None and not language.speaks_first
        self.announced = announced
        self.connections: set[OpenConnection] = set()  # on which it is being spoken

    def end(self) -> None:
        """End every conversation over TCP."""
        for connection in tuple(self.connections):
            connection.end()


class Conversation:
    """The server's end of one connection, or of one flow of datagrams."""

    def __init__(self, post: Post, source: Endpoint, sender: Sender | None = None) -> None:
        self._own = Own(
            socket=Endpoint(post.address, post.port),
            listening=Endpoint(post.address, post.announced),
            peer=source,
            label=secrets.token_bytes(LABEL_SIZE),
        )
        self._post = post
        self._place = Place(post.language, post.port, source, sender)
        self._end = post.language.end(self._own)
        # Kept for as long as it may turn out that there is something else to say.
        self._so_far: bytes | None = b"" if post.language.name == CALLS else None
        self._terminal: Terminal | None = None
        self._number = 0
        self._unclaimed: list[bytes] = []
        self._rest = bytearray()  # of what came, behind the last whole message
        self.session: Session | None = None
        self.heard = False  # a whole message

    def begin(self) -> tuple[bytes, ...]:
        return self._end.begin().send

    def receive(self, data: bytes) -> Step:
        """Raises WireError for what is not this protocol, or not for its session."""
        self._rest += data
        try:
            return self._received(data)
        finally:
            del self._rest[:-OVERHEARD_MAX]
            self._keep_unread()

    def _keep_unread(self) -> None:
        post = self._post
        post.stage.unread.keep(
            (post.language.transport, post.port, self._place.source),
            self._unclaimed,
            self._rest,
            now=time.monotonic(),
            session=self.session or post.only,
            number=self._number if self.session else None,
        )

    def _received(self, data: bytes) -> Step:
        step = self._end.receive(data)
        for message in step.arrived:
            self._hear(message)
            # What stands before it is idle: an empty line, a keepalive.
            del self._rest[: self._rest.find(message) + len(message)]
        if self._so_far is not None:
            self._so_far += data
            if self._terminal:
                step = self._anew(step, self._so_far, self._terminal.port)
            if step.send or self._terminal or len(self._so_far) > OVERHEARD_MAX:
                self._so_far = None
        return step

    def left(self) -> None:
        """The connection has ended."""
        if self._terminal:
            self._terminal.left(self)

    def _anew(self, step: Step, so_far: bytes, port: int) -> Step:
        """The same again, by an end that announces ``port``: only the label, in the midst of
        what has come, told that there is a terminal."""
        listening = Endpoint(self._post.address, port)
        self._end = self._post.language.end(replace(self._own, listening=listening))
        again = self._end.receive(so_far)
        return Step(send=again.send, arrived=step.arrived, over=again.over)

    def _hear(self, message: bytes) -> None:
        self.heard = True
        reading = self._post.language.read(message)
        if reading is not None and reading.label is not None:
            self._claim(reading.label)
        if self.session is not None:
            self._tell(message)
            return
        self._unclaimed.append(message)
        if len(self._unclaimed) > _UNCLAIMED_MAX or self._unclaimed_size() > OVERHEARD_MAX:
            self._unclaimed.pop()

    def _unclaimed_size(self) -> int:
        return sum(map(len, self._unclaimed))

    def _claim(self, found: bytes) -> None:
        """Raises WireError for the label of another session than this one has been of."""
        session = self._post.stage.sessions.find(label.session_of(found))
        number = None if session is None else label.number(found, session.secret)
        if session is None or number is None:
            return  # nobody's: the word of a stranger
        if session is not (self.session or self._post.only or session):
            raise WireError("label", "another session's")
        self.session, self._number = session, number
        self._join(session.terminals.get(number))
        for earlier in self._unclaimed:
            self._tell(earlier)
        self._unclaimed.clear()

    def _join(self, terminal: Terminal | None) -> None:
        post = self._post
        if terminal is None or self._terminal is not None:
            return
        if post.language.name == CALLS or (post.only and post.port == terminal.port):
            self._terminal = terminal
            terminal.joined(self)

    def _tell(self, message: bytes) -> None:
        session = self.session
        assert session is not None
        if self._post.stage.sessions.find(session.id) is not session:
            raise WireError("label", "its session has ended")
        told = session.overheard.add(message, self._number, self._place)
        if told:
            session.tell(told)
        else:
            session.ledger.complete = False  # our limit is not the network's doing
        if self._terminal:
            self._terminal.hear(self._post.language.name, message)


class Flows:
    """The flows of datagrams to one port, each from one address and port."""

    def __init__(self, post: Post, sender: Sender) -> None:
        self._post = post
        self._sender = sender
        self._known: OrderedDict[Endpoint, tuple[float, Conversation]] = OrderedDict()

    def answer(self, data: bytes, source: Endpoint) -> bytes:
        """What to answer: empty for nothing, and never more than came."""
        if len(data) > OVERHEARD_MAX or not self._post.stage.take_turn(source.address):
            return b""
        with self._post.stage.working(source.address):
            step = self._step(data, source)
        if step is None or not step.send or len(step.send[0]) > len(data):
            return b""
        return step.send[0]

    def _step(self, data: bytes, source: Endpoint) -> Step | None:
        while True:
            conversation = self._with(source)
            known = conversation.session is not None
            try:
                step = conversation.receive(data)
            except WireError:
                del self._known[source]
                if known:
                    continue  # a NAT may have given the address and port to another check
                return None
            if step.over:
                del self._known[source]
            return step

    def _with(self, source: Endpoint) -> Conversation:
        now = time.monotonic()
        began, conversation = self._known.get(source) or (now, None)
        if conversation is None or now - began > self._post.stage.limits.connection_s:
            began, conversation = now, Conversation(self._post, source, self._sender)
        self._known[source] = began, conversation
        self._known.move_to_end(source)
        if len(self._known) > self._post.stage.limits.spoken_flows:
            self._known.popitem(last=False)
        return conversation
