"""Addresses inside messages: what befell them, in words and as a table (facts M5, M7, M8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcheck.protocols import IN_THE_ARTICLE, in_words
from netcheck.report.model import Editor, EditorDialogue, EditorVerdict
from netcheck.report.page import Page
from netcheck.report.verdicts import EDITORS

if TYPE_CHECKING:
    from rich.text import Text

_HARM: dict[EditorVerdict, str] = {
    "mangled": "damaged: ",
    "blocked": "kept back: ",
    "edited-unreachable": "",
}
_OTHERWISE = frozenset({"pptp", "ipsec"})
"""Left as they are, these do no harm to one computer: nothing to tell a user."""

_ACTS_ON = {"port": "acts on this port alone", "content": "acts on the content, on any port"}

# A report that somebody made up may hold any number of these.
_MAX_ROWS = 64


def add_editors(page: Page, editors: list[Editor]) -> None:
    """Append a line for each protocol that is harmed, and one for each way the others fare."""
    shown = editors[:_MAX_ROWS]
    tested = [each for each in shown if each.verdict != "not-tested"]
    if not tested:
        return
    page.heading("Addresses inside messages")
    rows = [
        (in_words(each.protocol), f"{_HARM[each.verdict]}{each.reason}")
        for each in tested
        if each.verdict in _HARM
    ]
    left = [e for e in tested if e.verdict == "untouched" and e.protocol not in _OTHERWISE]
    if left:
        rows.append(("Left as they are", f"{_names(left)}: who reads them cannot reach you there"))
    if edited := [each for each in tested if each.verdict == "edited"]:
        rows.append(("Rewritten rightly", _names(edited)))
    if not rows:
        rows.append(("Nothing to rewrite", "your address is not translated on the way"))
    page.rows(rows, widths=[max(len(label) for label, _ in rows)])


def _names(editors: list[Editor]) -> str:
    return ", ".join(in_words(each.protocol) for each in editors)


def add_editor_details(page: Page, editors: list[Editor]) -> None:
    """Append the matrix: what was sent and what arrived, and what each dialogue showed."""
    if not editors:
        return
    page.heading("NAT editors")
    rows: list[tuple[str, Text, str]] = []
    for each in editors[:_MAX_ROWS]:
        reason = each.reason if not each.dialogues else ""
        rows.append(_row(page, each.protocol, each, _found(each, reason, *_more(each))))
        rows += [
            _row(page, f"{each.protocol} {part.name}", part, _found(part, part.reason))
            for part in each.dialogues[:_MAX_ROWS]
        ]
    page.rows(
        rows,
        widths=[min(_NAME_MAX, max(8, *(len(row[0]) for row in rows))), _VERDICT],
        header=["Protocol", "Verdict", "Found"],
    )
    _add_beside_the_article(page, editors)


def _add_beside_the_article(page: Page, editors: list[Editor]) -> None:
    """The protocols that the article lists, with what its NAT had (fact M8)."""
    page.heading("NAT editors, beside those of Windows 2000")
    found = {each.protocol: each for each in editors[:_MAX_ROWS]}
    had = {True: "had an editor", False: "had none"}
    rows: list[tuple[str, str, Text | str]] = []
    for protocol, whether in IN_THE_ARTICLE.items():
        here = found.get(protocol)
        words = here.verdict if here else "not-tested"
        rows.append((in_words(protocol), had[whether], page.sign(EDITORS[words], words)))
    page.rows(
        rows,
        widths=[max(len(row[0]) for row in rows), len(had[True])],
        header=["Protocol", "Windows 2000", "This network"],
    )


_NAME_MAX = 22  # columns: "irc inviting to talk"
_VERDICT = len("x edited-unreachable")


def _row(page: Page, name: str, each: Editor | EditorDialogue, found: str) -> tuple[str, Text, str]:
    return name, page.sign(EDITORS[each.verdict], each.verdict), found


def _found(each: Editor | EditorDialogue, *said: str) -> str:
    places = f"{each.sent} → {each.received or 'nothing'}" if each.sent else ""
    return "; ".join(filter(None, (places, *said)))


def _more(editor: Editor) -> list[str]:
    return [
        f"in {editor.field}" if editor.field else "",
        _ACTS_ON.get(editor.acts_on or "", ""),
        "only your own address" if editor.own_address_only else "",
        f"seen by {', '.join(editor.evidence[:_MAX_ROWS])}" if editor.evidence else "",
    ]
