"""Whether the protocols beside TCP and UDP pass that carry the data of PPTP and of IPsec."""

from __future__ import annotations

from typing import Literal

from probes.observation.base import Observation


class RawProtocol(Observation, frozen=True, kw_only=True, tag="raw-protocol", omit_defaults=True):
    """Packets of one protocol, the same again until an answer came.

    ``reached_server``: whether one is known to have arrived there; ``source`` from which address,
    where ``local`` is this computer's own.  ``answered``: an answer that proves it came back.
    """

    protocol: Literal["gre", "esp", "ah"]
    sent: int = 0
    reached_server: bool = False
    answered: bool = False
    local: str | None = None
    source: str | None = None
    untested: str = ""
