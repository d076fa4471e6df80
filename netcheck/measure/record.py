"""What a check has found so far, and whom it tells."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from netcheck.plan import Plan
from probes.observation import (
    AnyObservation,
    AtOnce,
    Call,
    DynamicRange,
    IcmpErrors,
    InboundTcp,
    InboundUdp,
    Invited,
    MediaStream,
    NatFiltering,
    NatHairpin,
    NatMapping,
    NatPorts,
    Observation,
    OutboundTcp,
    OutboundUdp,
    PathMtu,
    Punched,
    Talk,
)


class Progress(msgspec.Struct, frozen=True):
    """How far the check is: ``done`` of ``total`` probes, and what is under way, in words."""

    done: int
    total: int
    doing: str


class Observed(msgspec.Struct, frozen=True):
    """A probe has stated a fact."""

    observation: AnyObservation


Event = Progress | Observed


_STEPS = (
    OutboundTcp,
    OutboundUdp,
    AtOnce,
    InboundTcp,
    InboundUdp,
    NatMapping,
    NatFiltering,
    NatHairpin,
    NatPorts,
    Punched,
    PathMtu,
    IcmpErrors,
    DynamicRange,
    MediaStream,
    Talk,
    Invited,
    Call,
)
"""What counts as a step of the plan's (see ``plan.Plan.steps``)."""


class Record:
    """The observations of one check, in the order in which they were made."""

    def __init__(self, plan: Plan, tell: Callable[[Event], None]) -> None:
        self.observations: list[AnyObservation] = []
        self.began = time.monotonic()
        self._plan = plan
        self._tell = tell
        self._done = 0
        self._doing = ""

    def now(self) -> float:
        """Seconds since the check began."""
        return round(time.monotonic() - self.began, 4)

    def observe(self, observation: Observation) -> None:
        """Take down one fact."""
        assert isinstance(observation, AnyObservation)
        self.observations.append(observation)
        self._done += isinstance(observation, _STEPS)
        self._tell(Observed(observation))
        self.say(self._doing)

    def finish(self) -> None:
        """Tell that everything is done: of the plan's steps, those that this server could
        not serve are not waited for either."""
        self._done = self._plan.steps
        self.say("Working out what it means")

    def say(self, doing: str) -> None:
        """Tell what is under way."""
        self._doing = doing
        self._tell(Progress(min(self._done, self._plan.steps), self._plan.steps, doing))
