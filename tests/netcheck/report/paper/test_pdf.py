"""What a reader of PDF finds in the file: every word once, every command whole, no page in vain."""

from __future__ import annotations

import html as markup
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import pairwise

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QBuffer, QIODevice

from netcheck.drawing.drawing import LIGHT
from netcheck.report import formats, html, pdf
from netcheck.report.model import Feature, Report
from netcheck.report.paper import content, document, measured, pages, painted

from ..samples import HOSTILE_TEXTS, _poisoned, all_good, all_samples, behind_nat, everything
from ..strategies import reports
from ..test_html import ATTACKS

SAMPLES = sorted(all_samples())
WORLD = ("مضيف-الشبكة", "ホスト名", "узел", "🖥️ host", "a" * 300)


@cache
def text_of(data: bytes) -> list[str]:
    """The pages as text, in reading order."""
    done = subprocess.run(["pdftotext", "-", "-"], input=data, capture_output=True, check=True)
    return done.stdout.decode().split("\f")[:-1]


def solid(text: str) -> str:
    return "".join(text.split())


def laid_out(report: Report) -> tuple[document.Strip, measured.Measured, list[pages.Page]]:
    """As it is on its way into the file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = painted.writer(report, buffer)
    strip = document.strip(report, writer, painted.size_of(writer), None)
    found = measured.measure(strip)
    return strip, found, pages.cut(found.strip, painted.size_of(writer).height(), 999)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_page_says_something_and_which_it_is(name: str) -> None:
    report = all_samples()[name]
    found = text_of(pdf.render(report))
    foot = " ".join(painted._line(f"report {report.id}").split())[:20]
    for number, page in enumerate(found, 1):
        said = " ".join(page.split())
        assert foot in said
        assert re.search(rf"\b{number} ?/ ?{len(found)}\b", said)
        assert len(said.split()) > len(foot.split()) + 10


@pytest.mark.parametrize("name", ["all_good", "behind_nat", "everything", "no_server"])
def test_every_word_is_there_once(name: str) -> None:
    report = all_samples()[name]
    strip, _, cut = laid_out(report)
    assert len(cut) > 1
    wanted = Counter(re.findall("[a-z]{4,}", strip.text.toPlainText()))
    found = Counter(re.findall("[a-z]{4,}", " ".join(text_of(pdf.render(report)))))
    assert {word: n for word, n in wanted.items() if found[word] < n} == {}
    # What is there more often is said by a drawing, a repeated heading or the foot.
    assert sum((found - wanted).values()) < sum(wanted.values()) / 3


@pytest.mark.parametrize("name", SAMPLES)
def test_rows_headings_and_drawings_stay_whole(name: str) -> None:
    strip, found, cut = laid_out(all_samples()[name])
    bodies = [page.body for page in cut]
    for row in found.strip.rows:
        if row.bottom - row.top < 400:
            assert any(b.top <= row.top and row.bottom <= b.bottom + 0.1 for b in bodies)
    for table in document.tables(strip.text):
        for at in range(table.rows()):
            first = table.cellAt(at, 0).firstCursorPosition().block().blockNumber()
            last = table.cellAt(at, table.columns() - 1).lastCursorPosition().block()
            inside = range(first, last.blockNumber() + 1)
            tops = [piece.span.top for piece in found.pieces if piece.block in inside]
            if tops and max(tops) - min(tops) < 400:
                assert len({sum(body.top <= top for body in bodies) for top in tops}) == 1
    blocks = {piece.block for piece in found.pieces}
    assert set(strip.drawings) <= blocks
    for body in bodies[:-1]:
        at_foot = max(piece for piece in found.pieces if piece.span.bottom <= body.bottom + 0.1)
        block = strip.text.findBlockByNumber(at_foot.block)
        assert not block.blockFormat().headingLevel()


@pytest.mark.parametrize("name", SAMPLES)
def test_no_line_is_wider_than_the_page(name: str) -> None:
    strip, found, _ = laid_out(all_samples()[name])
    for piece in found.pieces:
        line = strip.text.findBlockByNumber(piece.block).layout().lineAt(piece.line)
        assert piece.left + line.naturalTextRect().right() <= strip.text.textWidth() + 1
    assert all(one.span.top <= next_.span.top for one, next_ in pairwise(found.pieces))


def test_a_table_that_goes_on_has_its_heading_again() -> None:
    report = everything()
    _, found, cut = laid_out(report)
    assert any(page.head for page in cut)
    for page in cut:
        inside = [
            head for head in found.strip.heads if head.span.bottom < page.body.top < head.until
        ]
        assert page.head == (inside[0].span if inside else None)
    of_observations = found.strip.heads[-1].span
    again = sum(page.head == of_observations for page in cut)
    assert again
    assert " ".join(text_of(pdf.render(report))).count("Facts\n") == 1 + again


def test_every_command_is_there_whole() -> None:
    report = everything()
    server = msgspec.structs.replace(
        report.server, certificate="pinned", fingerprint="0123456789abcdef" * 4
    )
    report = msgspec.structs.replace(report, server=server)
    said = html.content(report, LIGHT, lambda drawing: None)
    articles = " ".join(str(each["article"]) for each in said["remedies"])
    blocks = re.findall("<pre><code[^>]*>(.*?)</code></pre>", articles, re.DOTALL)
    commands = {line for block in blocks for line in markup.unescape(block).splitlines()}
    assert len(commands) > 20
    assert any(len(command) > 100 for command in commands)
    found = solid(" ".join(text_of(pdf.render(report))))
    assert {command for command in commands if solid(command) not in found} == set()


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("", [""]),
        ("short", ["short"]),
        ("one two three", ["one two", "three"]),
        ("one two  three", ["one two ", "three"]),
        ("a veryverylong", ["a", "veryvery", "long"]),
        ("veryverylongword", ["veryverylo", "ngword"]),
        ("    indented", ["    indent", "ed"]),
    ],
)
def test_a_command_breaks_at_blanks(line: str, pieces: list[str]) -> None:
    assert document.broken(line, lambda text: float(len(text)), 10, 8) == pieces


@given(st.text(st.sampled_from("ab c-"), max_size=60), st.integers(1, 12))
def test_a_broken_command_loses_nothing_but_blanks(line: str, room: int) -> None:
    pieces = document.broken(line, lambda text: float(len(text)), room, room)
    assert solid("".join(pieces)) == solid(line)
    assert all(len(piece) <= max(1, room) for piece in pieces)


def test_it_names_its_title_and_its_author() -> None:
    report = behind_nat()
    done = subprocess.run(
        ["pdfinfo", "-"], input=pdf.render(report), capture_output=True, check=True
    )
    told = dict(line.split(":", 1) for line in done.stdout.decode().splitlines())
    assert told["Title"].strip() == f"netcheck report {report.id}"
    assert told["Author"].strip() == f"netcheck {report.tool.version}"
    assert "A4" in told["Page size"]


def test_words_that_are_searched_for_have_no_ligatures() -> None:
    said = " ".join(text_of(pdf.render(behind_nat())))
    assert "firewall" in said
    assert not re.search("[ﬀ-ﬆ]", said)


@pytest.mark.parametrize("word", WORLD)
def test_names_of_all_the_world(word: str) -> None:
    values = msgspec.to_builtins(behind_nat(), str_keys=True)
    poisoned = _poisoned(values, iter([word] * 9999))
    found = text_of(pdf.render(msgspec.convert(poisoned, Report, str_keys=True)))
    assert 1 < len(found) < 60


@pytest.mark.parametrize("attack", [*ATTACKS, "\ue0000", "￼"])
def test_an_attack_stays_text(attack: str) -> None:
    values = msgspec.to_builtins(behind_nat(), str_keys=True)
    report = msgspec.convert(_poisoned(values, iter([attack] * 9999)), Report, str_keys=True)
    data = pdf.render(report)
    assert data.startswith(b"%PDF-")
    assert b"/URI" not in re.sub(rb"https?://", b"", data) or b"evil" not in data
    strip, _, _ = laid_out(report)
    _, drawings = content.content(report)
    assert len(strip.drawings) == len(drawings)


@given(reports(st.sampled_from((*ATTACKS, *HOSTILE_TEXTS, *WORLD))))
@settings(max_examples=3, suppress_health_check=list(HealthCheck), deadline=None)
def test_any_report_is_a_document(report: Report) -> None:
    assert text_of(pdf.render(report))


def test_observations_that_do_not_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_OBSERVATIONS", 3)
    report = everything()
    count = len(report.observations)
    said = " ".join(" ".join(text_of(pdf.render(report))).split())
    assert f"The first 3 of {count} observations" in said
    assert f"{count - 3} observations are left out here. {content.WHOLE}" in said


def test_rows_that_do_not_fit_are_counted() -> None:
    many = [
        Feature(profile="p", feature=f"f{n}", title=f"Title {n}", verdict="works", summary="s")
        for n in range(content.MOST_ROWS + 5)
    ]
    report = msgspec.structs.replace(all_good(), features=many)
    said = " ".join(" ".join(text_of(pdf.render(report))).split())
    assert f"and 5 more. {content.WHOLE}" in said
    assert "Title 199" in said
    assert "Title 200" not in said


def test_no_more_pages_than_anybody_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painted, "MOST_PAGES", 3)
    found = text_of(pdf.render(everything()))
    assert len(found) == 3
    told = [content.WHOLE in " ".join(page.split()) for page in found]
    assert told == [True, False, True]


def test_a_text_without_end_is_cut() -> None:
    report = msgspec.structs.replace(behind_nat(), note="x y" * 100_000)
    assert len(text_of(pdf.render(report))) < 30


def test_profiles_have_their_titles() -> None:
    feature = msgspec.structs.replace(all_good().features[0], profile="own")
    report = msgspec.structs.replace(all_good(), features=[feature])
    data = formats.to_bytes("pdf", report, profile_titles={"own": "My program"})
    assert "My program" in " ".join(text_of(data))


def test_neither_widgets_nor_a_screen_are_needed() -> None:
    script = (
        "import sys; from netcheck.report import pdf; from tests.netcheck.report import samples;"
        "data = pdf.render(samples.behind_nat());"
        "print(data[:5].decode(), 'PySide6.QtWidgets' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env={}
    )
    assert done.stdout.split() == ["%PDF-", "False"], done.stderr
