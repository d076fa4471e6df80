"""Sixteen bytes that say whose message it is, in the words of another protocol.

::

    0         8        10       16
    | session | number | tag    |

A message of another protocol carries no frame, but has room for a name or a GUID.  The tag is
an HMAC-SHA256 keyed by the session's secret, cut to six bytes: enough to keep the messages of
strangers apart, and no proof of anything else.
"""

from __future__ import annotations

import hmac
import re

from probes.wire import frame

SIZE = 16
_TAG_SIZE = 6
_TEXT = re.compile(rf"[0-9a-f]{{{2 * SIZE}}}")


def write(session: bytes, number: int, secret: bytes) -> bytes:
    """The label of the client's dialogue ``number`` (16 bits)."""
    head = session + number.to_bytes(2, "big")
    return head + hmac.digest(secret, b"label" + head, "sha256")[:_TAG_SIZE]


def session_of(label: bytes) -> bytes:
    """The session it claims to belong to, before its secret is known."""
    return label[: frame.SESSION_SIZE]


def number(label: bytes, secret: bytes) -> int | None:
    """The dialogue's number; None for a label that this secret did not make."""
    if len(label) != SIZE:
        return None
    found = int.from_bytes(label[frame.SESSION_SIZE : -_TAG_SIZE], "big")
    made = write(session_of(label), found, secret)
    return found if hmac.compare_digest(made, label) else None


def of_text(text: str) -> bytes | None:
    """The label that is written as ``text``, in small hexadecimal digits, if it is one."""
    return bytes.fromhex(text) if _TEXT.fullmatch(text) else None
