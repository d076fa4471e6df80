"""Profiles: reading an application's TOML, and refusing a wrong one with place and reason."""

from __future__ import annotations

import difflib
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

_WITH_PORTS = ("outbound-tcp", "inbound-tcp", "udp")
"""The probes that test single ports."""

ProbeName = Literal["outbound-tcp", "inbound-tcp", "udp", "embedded-address", "call", "media"]

_LARGEST = 256 * 1024  # bytes; the built-in ones have two thousand
_PORTS_MAX = 64  # of one kind in one profile; as many as the server lets a client declare
_UDP_PORTS_MAX = _PORTS_MAX // 2  # each is called by itself, and a second one from it

_Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}\Z")]
_Words = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class ProfileError(Exception):
    """A profile that cannot be used: one sentence with file, place and reason."""


class Requirement(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"
):
    """What a feature needs.

    ``ports`` are single ports or ranges such as ``"6891-6900"``.  With ``at_least``
    the feature is *limited* when that many but not all of them pass.  ``capacity``
    counts the ports that pass at the same time.  What does not ``decide`` is tested
    and shown, but has no part in the verdict.
    """

    probe: ProbeName
    ports: list[_Port | str] = []
    local_port: _Port | None = None
    at_least: Annotated[int, msgspec.Meta(ge=1)] | None = None
    capacity: bool = False
    decides: bool = True
    protocol: str = ""
    means: str = ""

    @property
    def port_numbers(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(port for entry in self.ports for port in _expand(entry)))


class FeatureSpec(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"
):
    """``can`` goes on after "you can": what a user does with it, in a user's words."""

    id: _Identifier
    title: _Words
    requires: Annotated[list[Requirement], msgspec.Meta(min_length=1, max_length=32)]
    can: str = ""
    facts: list[str] = []


class Profile(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"
):
    """An application: what its user can do with it, and what that takes."""

    id: _Identifier
    title: _Words
    features: Annotated[list[FeatureSpec], msgspec.Meta(min_length=1, max_length=32)]
    summary: str = ""


@cache
def built_in() -> tuple[Profile, ...]:
    """The profiles that come with netcheck, by id."""
    folder = resources.files("netcheck.profiles")
    found = [
        parse(entry.read_text(encoding="utf-8"), entry.name)
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda profile: profile.id))


def find(name: str) -> Profile:
    """A built-in profile by id, or a user's own by its file.  Raises ProfileError."""
    known = {profile.id: profile for profile in built_in()}
    if name in known:
        return known[name]
    if name.endswith(".toml") or "/" in name or "\\" in name:
        return read(Path(name))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {' and '.join(known)}."
    raise ProfileError(f"There is no profile '{_shown(name)}'; {hint}")


def read(path: Path) -> Profile:
    """Raises ProfileError."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise ProfileError(f"There is no profile file {path}.") from None
    except OSError as error:
        raise ProfileError(f"The profile {path} cannot be read: {error.strerror}.") from None
    except ValueError:  # a NUL in the name
        raise ProfileError(f"'{_shown(str(path))}' is not a file name.") from None
    if len(data) > _LARGEST:
        raise ProfileError(f"The profile {path} is larger than {_LARGEST // 1024} kB.")
    try:
        return parse(data.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProfileError(f"{path}, line {line}: this is not UTF-8 text.") from None


def parse(text: str, name: str) -> Profile:
    """Read a profile's TOML; ``name`` is what to call it in errors.  Raises ProfileError."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{name}: this is not TOML: {_shown(str(error), 200)}.") from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise ProfileError(f"{name}: a number in it is too long.") from None
    except RecursionError:
        raise ProfileError(f"{name}: it is nested too deeply.") from None
    try:
        profile = msgspec.convert(table, Profile)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at ")
        place = where.strip("`").removeprefix("$").lstrip(".") or "the profile itself"
        raise ProfileError(f"{name}: {place}: {_shown(_plain(reason), 200)}.") from None
    _check(profile, name)
    return profile


def _check(profile: Profile, name: str) -> None:
    """What the types alone do not say.  Raises ProfileError."""
    seen: set[str] = set()
    tested: dict[str, set[int]] = {}
    for index, feature in enumerate(profile.features):
        place = f"{name}: features[{index}] ({feature.id})"
        if feature.id in seen:
            raise ProfileError(f"{place}: the id is used twice.")
        seen.add(feature.id)
        if not any(requirement.decides for requirement in feature.requires):
            raise ProfileError(f"{place}: nothing it requires decides; remove one decides = false.")
        for number, requirement in enumerate(feature.requires):
            here = f"{place}.requires[{number}]"
            _check_requirement(requirement, here)
            tested.setdefault(requirement.probe, set()).update(requirement.port_numbers)
            most = _UDP_PORTS_MAX if requirement.probe == "udp" else _PORTS_MAX
            if len(tested[requirement.probe]) > most:
                raise ProfileError(f"{here}: more than {most} ports for {requirement.probe}.")


def _check_requirement(requirement: Requirement, here: str) -> None:
    for entry in requirement.ports:
        try:
            _expand(entry)
        except ValueError as error:
            raise ProfileError(f"{here}.ports: {error}.") from None
    ports = requirement.port_numbers
    if requirement.probe in _WITH_PORTS and not ports:
        raise ProfileError(f"{here}.ports: {requirement.probe} needs at least one port.")
    if requirement.probe == "udp" and len(ports) > 1:
        raise ProfileError(f"{here}.ports: udp takes one port; write one requirement for each.")
    if requirement.local_port and (requirement.probe != "outbound-tcp" or len(ports) != 1):
        raise ProfileError(f"{here}.local-port: only for outbound-tcp with a single port.")
    if requirement.at_least and requirement.at_least > len(ports):
        raise ProfileError(
            f"{here}.at-least: {requirement.at_least} is more than its {len(ports)} ports."
        )


def _expand(entry: int | str) -> range:
    """The ports of one entry.  Raises ValueError with the reason."""
    if isinstance(entry, int):
        return range(entry, entry + 1)
    first, dash, last = entry.partition("-")
    if not (first.isascii() and first.isdigit() and len(first) < 6) or (
        dash and not (last.isascii() and last.isdigit() and len(last) < 6)
    ):
        raise ValueError(f"'{_shown(entry)}' is not a port or a range such as \"6891-6900\"")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"'{_shown(entry)}' is not within 1 to 65535, lower end first")
    if high - low >= _PORTS_MAX:
        raise ValueError(f"'{_shown(entry)}' has more than {_PORTS_MAX} ports")
    return range(low, high + 1)


_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a fraction",
    "int": "a whole number",
    "object": "a table",
    "str": "text",
}


def _plain(reason: str) -> str:
    """msgspec's reason in a user's words."""
    if "matching regex" in reason:
        return "it must be lower-case letters, digits and hyphens, 40 at most"
    if reason.startswith("Expected"):
        types = re.compile("`([a-z| ]+)`")
        words = types.sub(
            lambda t: " or ".join(_TYPES.get(n, n) for n in t[1].split(" | ")), reason
        )
        return words.replace("Expected", "it must be").replace(", got", ", not")
    return (
        reason.replace("Object missing required field", "it lacks")
        .replace("Object contains unknown field", "it has an unknown key")
        .replace("Invalid enum value", "there is no such probe:")
        .replace("`", "'")
    )


def _shown(text: str, most: int = 60) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:most]
