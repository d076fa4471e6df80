"""A session with the echo server that tells what it overhears; for test_foreign_clients.py.

    python -m tests.lab.overhear LINK

Prints the label that a message needs to be this session's, and then each message that arrived as
a line of JSON.  Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from probes.wire import label
from probes.wire.link import parse
from probes.wire.messages import Overheard
from tests.probes.live import session as live


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def overhear(link: str) -> None:
    async with live(parse(link)) as session:
        number = session.number()

        def heard(said: Overheard) -> None:
            _say(msgspec.json.encode(said).decode())

        with session.control.overhear(number, heard):
            _say(label.write(session.id, number, session.secret).hex())
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(overhear(sys.argv[1]))
