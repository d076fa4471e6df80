"""A check that is ready to run, with the server it needs: another, or this very program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from netcheck import plan
from netcheck.check import Check, Event, Options
from netcheck.profile import Profile
from probes.wire.link import Link


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asked for; without ``link`` and ``stun`` the server is this very program."""

    profiles: tuple[Profile, ...]
    link: Link | None = None
    stun: tuple[Link, ...] = ()
    insecure: bool = False
    bind: str | None = None
    depth: plan.Depth = "default"
    only: frozenset[plan.Part] = frozenset()

    @property
    def alone(self) -> bool:
        """Whether this computer alone is tested."""
        return self.link is None and not self.stun


@asynccontextmanager
async def prepared(wanted: Wanted, tell: Callable[[Event], None]) -> AsyncIterator[Check]:
    """The check, with an embedded server for as long if there is no other.

    Raises SetupError for what this computer or the profiles do not allow.
    """
    async with AsyncExitStack() as stack:
        link, bind = wanted.link, wanted.bind
        if wanted.alone:
            from netcheck.server.embedded import embedded

            needed = plan.make(wanted.profiles)
            serving = embedded(needed.tcp_ports, needed.udp_ports)
            link, bind = await stack.enter_async_context(serving)
        yield Check(
            Options(
                link=link,
                profiles=wanted.profiles,
                embedded=wanted.alone,
                insecure=wanted.insecure,
                bind=bind,
                depth=wanted.depth,
                only=wanted.only,
                stun=wanted.stun,
            ),
            tell,
        )
