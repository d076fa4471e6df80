"""The server's end of a call, by what it tells of it on the control connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import cast

from probes.exchange import OVERHEARD_MAX
from probes.session import ControlLost, Session
from probes.wire import messages

_STOPPED_PORT = 1
"""A call-stop names a port, which means nothing for a terminal."""


class FarEnd:
    """``port`` is where it waits for the control channel, once it is a terminal; ``report`` what
    became of the call; ``refusal`` or ``problem`` why it is none or tells nothing more.

    ``moved`` is called whenever something changes.
    """

    def __init__(self, session: Session, number: int, moved: Callable[[], None]) -> None:
        self.port: int | None = None
        self.report: messages.TerminalReport | None = None
        self.refusal: messages.Refusal | None = None
        self.problem = ""
        self.overheard: list[messages.Overheard] = []
        self._session = session
        self._number = number
        self._moved = moved
        self._request_id: int | None = None

    @property
    def answered(self) -> bool:
        """Whether it is a terminal now, or never will be."""
        return self.port is not None or self.over

    @property
    def over(self) -> bool:
        """Whether nothing more is told."""
        return bool(self.report or self.refusal or self.problem)

    def told(self, dialogue: str) -> list[bytes]:
        """Our messages in one of the call's protocols, as they arrived."""
        return [bytes.fromhex(said.data) for said in self.overheard if said.dialogue == dialogue]

    @contextmanager
    def overhearing(self) -> Iterator[None]:
        with self._session.control.overhear(self._number, self._overhear):
            yield

    async def run(self, request: Callable[[int], messages.TerminalRequest]) -> None:
        """Ask it to be a terminal, and hear what it tells until it tells the last."""

        def numbered(request_id: int) -> messages.TerminalRequest:
            self._request_id = request_id
            return request(request_id)

        asked = cast(
            "AsyncGenerator[messages.ServerMessage, None]", self._session.control.ask(numbered)
        )
        try:
            async with aclosing(asked):
                async for said in asked:
                    self._take(said)
                    self._moved()
                    if self.over:
                        return
        except ControlLost as error:
            self.problem = f"the control connection was lost: {error}"
        finally:
            self._moved()

    def stop(self) -> None:
        """Have the call ended, and be told how it went."""
        if self._request_id is not None and not self.over:
            self._session.control.stop_call(self._request_id, _STOPPED_PORT)

    def _take(self, said: messages.ServerMessage) -> None:
        match said:
            case messages.TerminalReady():
                self.port = said.port
            case messages.TerminalReport():
                self.report = said
            case messages.Refusal():
                self.refusal = said
            case _:
                self.problem = "the echo server answered out of turn"

    def _overhear(self, said: messages.Overheard) -> None:
        if len(self.overheard) < 2 * OVERHEARD_MAX:
            self.overheard.append(said)
            self._moved()
