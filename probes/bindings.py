"""Bindings left alone, and the trial whether one is alive (RFC 5780 section 4.6).

A second socket has the server answer to the binding under test (RESPONSE-PORT).  What arrives
shows that it is alive.  Silence shows that it is not only if answers to a fresh binding arrive
in the same moments, beyond what loss explains.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from probes.binding import BindingSocket, Question, ask, open_socket, refusal
from probes.interleaved import interleave
from probes.path import Path
from probes.wire.frame import Endpoint


class Binding:
    """A socket, how the server saw it, and when a packet last passed."""

    def __init__(self, sock: BindingSocket, mapped: Endpoint) -> None:
        self.sock = sock
        self.mapped = mapped
        self.since = time.monotonic()

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.since


class Outcome(msgspec.Struct, frozen=True):
    """``alive`` is None where ``untested`` says why, or where loss hides the answer.  A live
    binding had been idle for at least ``idle_s``, a dead one for at most so long."""

    alive: bool | None
    idle_s: float = 0.0
    untested: str = ""


class Bindings:
    """The sockets of one measurement; they close with it."""

    def __init__(self, path: Path) -> None:
        assert path.stun is not None
        self.to = Endpoint(path.stun.address, path.stun.port)
        self._path = path
        self._sockets: list[BindingSocket] = []

    def __enter__(self) -> Bindings:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    async def make(self) -> Binding | str:
        """A new binding, or why there is none."""
        try:
            sock = await open_socket(self._path)
        except OSError as error:
            return f"this computer: {error.strerror}"
        self._sockets.append(sock)
        asked = await ask(self._path, sock, self.to)
        if asked.mapped is None:
            return "the STUN server did not answer"
        return Binding(sock, asked.mapped)

    def drop(self, binding: Binding) -> None:
        """Close the binding's socket."""
        binding.sock.close()
        self._sockets.remove(binding.sock)

    async def trial(self, binding: Binding) -> Outcome:
        """Whether ``binding`` still lets the server in."""
        asker, fresh = await asyncio.gather(self.make(), self.make())
        made = [b for b in (asker, fresh) if not isinstance(b, str)]
        try:
            if isinstance(asker, str):
                return Outcome(None, untested=asker)
            if isinstance(fresh, str):
                return Outcome(None, untested=fresh)
            if len({b.mapped.address for b in (binding, asker, fresh)}) > 1:
                # The server answers to the address that asks, and to no other.
                return Outcome(None, untested="the sockets have several public addresses")
            return await self._trial(asker, fresh, binding)
        finally:
            for one in made:
                self.drop(one)

    async def _trial(self, asker: Binding, fresh: Binding, binding: Binding) -> Outcome:
        def towards(target: Binding) -> Question:
            port = target.mapped.port
            return asker.sock.ask(self.to, response_port=port, answer_at=target.sock)

        check = await interleave(
            self._path, lambda: towards(fresh), lambda: asker.sock.ask(self.to)
        )
        untested = _not_done(check.answered, fresh)
        if untested:
            return Outcome(None, untested=untested)
        first_s = last_s = binding.age_s

        def towards_binding() -> Question:
            nonlocal last_s
            last_s = binding.age_s
            return towards(binding)

        result = await interleave(self._path, towards_binding, lambda: towards(fresh))
        if result.answered is not None:
            untested = _not_done(result.answered, binding)
            if untested:
                return Outcome(None, untested=untested)
            return Outcome(True, round(first_s, 3))
        return Outcome(False if result.decided else None, round(last_s, 3))


def _not_done(answered: Question | None, target: Binding) -> str:
    """Why the server's answer did not come to ``target``, if so."""
    if answered is None:
        return "the STUN server does not answer to another port (RESPONSE-PORT)"
    if answered.message is None:
        return f"this computer: {answered.outcome[1]}"
    if answered.message.kind != "success":
        return f"the STUN server declines: {refusal(answered.message)}"
    if answered.heard_by is not target.sock:
        return "the STUN server does not know RESPONSE-PORT"
    return ""
