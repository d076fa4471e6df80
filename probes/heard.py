"""What became of the messages of a dialogue: as they were said, as they arrived (pure).

What the client said is known, and the server tells what arrived of it.  What the server said is
worked out: its end of the dialogue is here as well, and is given what arrived there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from probes.editors.contract import ANNOUNCED_PORT, LABEL_SIZE, Carried, Dialogue, Own, Reading
from probes.errors import WireError
from probes.observation import Heard, Said
from probes.wire.frame import Endpoint

UNREADABLE = "it cannot be read"

_SERVERS = 3
"""Servers that differ in what is random.  What all of them say in the same words is no matter
of chance, and the real one says it as well."""

FAULTS_MAX = 16
"""What is stated of one direction: the first ones tell what is wrong."""


class Message(msgspec.Struct, frozen=True):
    """A whole message, and what it says; None if it cannot be read."""

    data: bytes
    reading: Reading | None


def read(dialogue: Dialogue, data: bytes) -> Message:
    try:
        return Message(data, dialogue.read(data))
    except WireError:
        return Message(data, None)


def spelt(carried: Carried) -> str:
    """As address:port, or without what the field has not."""
    if carried.port is None or not carried.address:
        return carried.address or ("" if carried.port is None else str(carried.port))
    return str(Endpoint(carried.address, carried.port))


# Which is which


def _same(sent: Message, arrived: Message) -> bool:
    return sent.data == arrived.data


def _only_addresses(sent: Message, arrived: Message) -> bool:
    one, other = sent.reading, arrived.reading
    return bool(one and other and one.kind == other.kind and one.rest == other.rest)


def _of_a_kind(sent: Message, arrived: Message) -> bool:
    return bool(sent.reading and arrived.reading and sent.reading.kind == arrived.reading.kind)


def _anything(sent: Message, arrived: Message) -> bool:
    return arrived.reading is None


_LIKENESS: tuple[Callable[[Message, Message], bool], ...] = (
    _same,
    _only_addresses,
    _of_a_kind,
    _anything,
)


def paired(sent: Sequence[Message], arrived: Sequence[Message]) -> dict[int, int]:
    """Which of ``arrived`` is which of ``sent``, by their places: the likest first, and among
    equals the earliest.  Each is one at most; datagrams may come in any order."""
    pairs: dict[int, int] = {}
    left = list(range(len(arrived)))
    for like in _LIKENESS:
        for at, message in enumerate(sent):
            found = next((n for n in left if at not in pairs and like(message, arrived[n])), None)
            if found is not None:
                pairs[at] = found
                left.remove(found)
    return pairs


def fields(sent: Message, arrived: Message | None) -> list[tuple[Carried, int | None]]:
    """Each address that was sent, and the place of the one in ``arrived`` that has taken its:
    of the same name, and as many before it that have it too."""
    places: dict[str, list[int]] = {}
    if arrived is not None and arrived.reading is not None:
        for at, carried in enumerate(arrived.reading.carried):
            places.setdefault(carried.field, []).append(at)
    found: list[tuple[Carried, int | None]] = []
    for carried in sent.reading.carried if sent.reading else ():
        same = places.get(carried.field)
        found.append((carried, same.pop(0) if same else None))
    return found


# What was heard


def out(dialogue: Dialogue, sent: Iterable[bytes], arrived: Iterable[bytes]) -> Heard:
    """Of what the client said.  A datagram that came twice was sent twice."""
    said = [read(dialogue, data) for data in sent]
    came = [read(dialogue, data) for data in arrived]
    pairs = paired(said, came)
    heard = _heard(said, came, pairs, judged=lambda _: True)
    strange = [came[n] for n in sorted(set(range(len(came))) - set(pairs.values()))]
    again = said if dialogue.transport == "udp" else []
    changed = any(not any(_only_addresses(s, one) for s in again) for one in strange)
    return msgspec.structs.replace(heard, changed=heard.changed or changed)


def back(
    dialogue: Dialogue,
    server: Endpoint,
    client: Endpoint,
    overheard: Sequence[bytes],
    arrived: Iterable[bytes],
    *,
    same_version: bool,
    listening: Endpoint | None = None,
    label: bytes | None = None,
) -> Heard:
    """Of what the server said, that knows itself as ``server`` and saw us as ``client``.
    ``listening``: where it says that it waits, if that is known; ``label``: what it labels its
    messages with, if it does.

    What it chose at random is taken for what arrived.  ``same_version``: it is of our own
    version, so that its words are known beside its addresses.
    """
    owns = (
        Own(
            socket=server,
            listening=listening or Endpoint(server.address, ANNOUNCED_PORT),
            peer=client,
            label=label or bytes([n + 1]) * LABEL_SIZE,
        )
        for n in range(_SERVERS)
    )
    meant = [_answers(dialogue, own, overheard) for own in owns]
    came = [read(dialogue, data) for data in arrived]
    said = meant[0]
    fixed = [same_version] * len(said)
    for other in meant[1:]:
        for at, (one, two) in enumerate(zip(said, other, strict=False)):
            fixed[at] &= _only_addresses(one, two)
    pairs = paired(said, came)
    chosen = [
        _taken(one, [each[at] for each in meant if at < len(each)], _at(came, pairs.get(at)))
        for at, one in enumerate(said)
    ]
    return _heard(chosen, came, pairs, judged=lambda at: fixed[at])


def _at(messages: Sequence[Message], place: int | None) -> Message | None:
    return None if place is None else messages[place]


def _answers(dialogue: Dialogue, own: Own, overheard: Sequence[bytes]) -> list[Message]:
    end = dialogue.server(own)
    said = list(end.begin().send)
    try:
        for data in overheard:
            step = end.receive(data)
            said += step.send
            if step.over:
                break
    except WireError:
        pass
    return [read(dialogue, data) for data in said]


def _taken(one: Message, others: list[Message], arrived: Message | None) -> Message:
    """``one`` with what differs among ``others`` as it arrived."""
    if one.reading is None or arrived is None or arrived.reading is None:
        return one
    carried = list(one.reading.carried)
    for at, (mine, place) in enumerate(fields(one, arrived)):
        came = None if place is None else arrived.reading.carried[place]
        for other in others:
            theirs = other.reading.carried if other.reading else ()
            if came and at < len(theirs):
                if theirs[at].address != mine.address:
                    mine = msgspec.structs.replace(mine, address=came.address)
                if theirs[at].port != mine.port:
                    mine = msgspec.structs.replace(mine, port=came.port)
        carried[at] = mine
    return Message(one.data, msgspec.structs.replace(one.reading, carried=tuple(carried)))


def _heard(
    sent: list[Message],
    came: list[Message],
    pairs: dict[int, int],
    *,
    judged: Callable[[int], bool],
) -> Heard:
    """``judged``: whether the words of a message are known, and not its addresses alone."""
    kinds: list[str] = []
    said: list[Said] = []
    faults: dict[str, None] = {}
    changed = False
    for at, message in enumerate(sent):
        arrived = _at(came, pairs.get(at))
        reading = arrived.reading if arrived else None
        for carried, place in fields(message, arrived):
            said.append(
                Said(
                    field=carried.field,
                    sent=spelt(carried),
                    arrived=spelt(reading.carried[place])
                    if reading and place is not None
                    else None,
                    announced=carried.reached_by is not None,
                )
            )
        if arrived is None or message.reading is None:
            continue
        kinds.append(message.reading.kind)
        if reading is None:
            changed = True
            faults[UNREADABLE] = None
            continue
        faults |= dict.fromkeys(f for f in reading.faults if f not in message.reading.faults)
        more = len(reading.carried) != len(message.reading.carried)
        changed |= judged(at) and (more or reading.rest != message.reading.rest)
    return Heard(
        expected=len(sent),
        kinds=tuple(kinds),
        said=tuple(said),
        changed=changed,
        faults=tuple(faults)[:FAULTS_MAX],
    )
