"""A page of text for a terminal: wrapped, aligned, and safe to print.

Names of hosts, programs and servers come from outside.  Every piece of text passes through
`clean`, and nothing is ever read as markup, so none of them can colour, hide or reorder
what the page says.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from netcheck.report.verdicts import Sign

# Characters.  No text that netcheck writes is longer; one from outside would bury the page.
MAX_TEXT = 600

# Columns.  On a narrower page rows that do not fit side by side are set one below the other.
NARROW = 60

# Columns.  Below this the columns of a row have no room left; above it lines are hard to read.
MIN_WIDTH = 40
MAX_WIDTH = 100

_TYPOGRAPHY = str.maketrans(
    {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "×": "x", "→": "->"}
    | {"•": "-", "─": "-"}  # what rich draws itself
)


def _in_ascii(text: str) -> str:
    return text.translate(_TYPOGRAPHY).encode("ascii", "replace").decode()


def clean(text: str, *, ascii_only: bool = False) -> str:
    """`text` on one line, without control, bidirectional and other invisible characters."""
    shown = "".join(map(_visible, text[: MAX_TEXT * 2]))
    shown = re.sub(" +", " ", shown).strip()
    if len(shown) > MAX_TEXT or len(text) > MAX_TEXT * 2:
        shown = shown[: MAX_TEXT - 1] + "…"
    if ascii_only:
        shown = _in_ascii(shown)
    return shown


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "Z" or character in "\t\r\n":
        return " "
    if category in ("Cc", "Cf"):
        return ""
    return "\ufffd" if category[0] == "C" else character


def options_for(stream: IO[Any]) -> dict[str, Any]:
    """The `width`, `colour` and `ascii_only` that suit an output stream such as stdout."""
    terminal = stream.isatty()
    columns = shutil.get_terminal_size().columns if terminal else 80
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        "✓✗–…é漢".encode(encoding)
        ascii_only = False
    except (UnicodeEncodeError, LookupError):
        ascii_only = True
    # https://no-color.org: any value but the empty one turns colour off
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return {"width": min(columns, MAX_WIDTH), "colour": colour, "ascii_only": ascii_only}


# Columns that a list's indentation and a code block's own margin take at most.
_CODE_MARGIN = 12

# Private-use characters stand for the commands that are too long for a line, until the page is
# laid out; none of our texts and no value has one. Behind each, the blanks that filled its line.
_FIRST_KEPT = 0xE000
_KEPT = re.compile("([\ue000-\uf8ff])(?: |(\x1b\\[[0-9;]*m))*(?=\n)")
_FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


def _with_commands_kept(text: str, room: int) -> tuple[str, list[str]]:
    """The text with a single character for each command longer than ``room``; the commands."""
    commands: list[str] = []

    def kept(line: re.Match[str]) -> str:
        if len(line[2]) <= room:
            return line[0]
        commands.append(line[2])
        return f"{line[1]}{chr(_FIRST_KEPT + len(commands) - 1)}"

    return _FENCE.sub(lambda fence: re.sub(r"(?m)^( *)(\S.*)$", kept, fence[0]), text), commands


class Page:
    """Collects lines, rows and tables of at most `width` columns, then gives the text."""

    def __init__(self, *, width: int, colour: bool, ascii_only: bool) -> None:
        from rich.console import Console

        self.ascii_only = ascii_only
        self._width = max(width, MIN_WIDTH)
        self._file = StringIO()
        self._console = Console(
            file=self._file,
            width=self._width,
            force_terminal=colour,
            force_jupyter=False,
            color_system="standard" if colour else None,
            no_color=not colour,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def styled(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        return Text(clean(text, ascii_only=self.ascii_only), style=style, overflow="fold")

    def sign(self, sign: Sign, word: str) -> Text:
        """A mark and a word: colour is never the only thing that tells states apart."""
        return self.styled(f"{sign.plain if self.ascii_only else sign.mark} {word}", sign.style)

    def line(self, text: str = "", style: str = "") -> None:
        self._console.print(self.styled(text, style))

    def rule(self) -> None:
        """A line across the page."""
        self._console.rule(characters="-" if self.ascii_only else "─", style="")

    def heading(self, text: str) -> None:
        self._console.print()
        self.line(text, "bold")

    def markdown(self, text: str) -> None:
        """Markdown of our own knowledge base, whose renderer has made all values harmless.

        Commands are not wrapped, however long: half of one is another command, and whoever copies
        it would run that.
        """
        from rich.markdown import Markdown

        if self.ascii_only:
            text = _in_ascii(text)
        text, commands = _with_commands_kept(text, self._width - _CODE_MARGIN)
        begin = self._file.tell()
        self._console.print(Markdown(text))
        self._file.seek(begin)
        printed = _KEPT.sub(
            lambda kept: commands[ord(kept[1]) - _FIRST_KEPT] + ("\x1b[0m" if kept[2] else ""),
            self._file.read(),
        )
        self._file.seek(begin)
        self._file.truncate()
        self._file.write(printed)

    def rows(
        self,
        rows: Iterable[Sequence[str | Text]],
        *,
        widths: Sequence[int],
        indent: int = 2,
        header: Sequence[str] = (),
    ) -> None:
        """Rows of columns of the given `widths`, and a last column that takes what is left
        and wraps under itself."""
        from rich.padding import Padding
        from rich.table import Table

        if self._width < NARROW and len(widths) > 1 and sum(widths) > self._room(widths, indent):
            self._stacked(rows, indent, header)
            return
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for width in self._fitting(widths, indent):
            table.add_column(width=width, overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        if header:
            self._add(table, header, "underline")
        for row in rows:
            self._add(table, row, "")
        self._console.print(Padding(table, (0, 0, 0, indent)))

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Labels, and beside each what is known of it."""
        if pairs:
            self.rows(pairs, widths=[max(len(label) for label, _ in pairs)])
        else:
            self.rows([("Nothing is known.",)], widths=[])

    def _add(self, table: Table, row: Sequence[str | Text], style: str) -> None:
        table.add_row(
            *(self.styled(cell, style) if isinstance(cell, str) else cell for cell in row)
        )

    def _fitting(self, widths: Sequence[int], indent: int) -> list[int]:
        """The widths, scaled down if they would leave the last column less than a quarter."""
        room = self._room(widths, indent)
        wanted = sum(widths)
        if wanted <= room:
            return list(widths)
        return [max(1, width * room // wanted) for width in widths]

    def _room(self, widths: Sequence[int], indent: int) -> int:
        return (self._width - indent) * 3 // 4 - 2 * len(widths)

    def _stacked(
        self, rows: Iterable[Sequence[str | Text]], indent: int, header: Sequence[str]
    ) -> None:
        """Each row as a line, and its last column below; what a header names is named in it."""
        from rich.padding import Padding
        from rich.text import Text

        for row in rows:
            cells = [self.styled(cell) if isinstance(cell, str) else cell for cell in row]
            *before, last = cells
            named = [
                Text(f"{name.lower()} ") + cell if name else cell
                for name, cell in zip(
                    ["", *header[1:-1]] if header else [""] * len(before), before, strict=True
                )
                if cell.plain
            ]
            line = Text(", " if header else "  ").join(named)
            self._console.print(Padding(line, (0, 0, 0, indent)))
            if last.plain:
                self._console.print(Padding(last, (0, 0, 0, indent + 4)))

    def text(self) -> str:
        """Everything so far; no line ends in a blank."""
        text = "".join(line.rstrip() + "\n" for line in self._file.getvalue().splitlines())
        return _in_ascii(text) if self.ascii_only else text
