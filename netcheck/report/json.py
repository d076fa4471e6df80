"""The report as JSON: the format that scripts read and that `netcheck report` opens again."""

from __future__ import annotations

import json
import re

import msgspec

from netcheck.report.model import Report

# Characters that JSON may carry bare but that can take over a terminal or turn its text
# around: C1 controls, bidirectional marks, line separators.  Outside strings none occurs.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# Half of a surrogate pair is no character: some file and program names of an operating
# system hold one, and no JSON reader accepts it.
_HALF = re.compile("[\ud800-\udfff]")


def render(report: Report) -> str:
    """Indented JSON in the key order of the model, dictionaries sorted, with a final newline.

    The text can always be encoded as UTF-8 and shown on a terminal.
    """
    plain = msgspec.to_builtins(report, str_keys=True, order="deterministic")
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=2)
    text = _HALF.sub("\ufffd", text)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"
