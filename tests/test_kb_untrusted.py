"""Values that nobody can trust: whatever stands in a report, an article shows it as text."""

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from netcheck import kb
from tests.knowledge import (
    EXACT,
    FREE,
    FULL,
    article,
    code,
)

FRAGMENTS = [
    "[x](javascript:1)", "![x](http://a/b)", "<script>", "</p><img src=x onerror=1>", "`id`",
    "``", "$(rm -rf)", "; reboot", "\n# x", "\r\n\r\n- x", "1. x", "- x", "***", "~~x~~", "| a |",
    "&lt;", "&#x3c;", "\\", "\x1b[31m", "\u202e", "http://evil.example", "www.evil.example",
    "a@evil.example", "{{ 7*7 }}", "{% raw %}", "<http://a>", "[x]: http://a", "\u2028", "\x00",
    "```\n", "\ud800", "__x__", "---", "===",
]  # fmt: skip
hostile = st.builds(
    "".join, st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), min_size=1, max_size=5)
).filter(lambda text: re.search(r"[^\w.:\s-]", text))

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def skeleton(markdown: str) -> list[tuple[Any, ...]]:
    """What Markdown makes of a text, without the words: blocks, marks, links, and all code."""
    bones: list[tuple[Any, ...]] = []
    for token in PARSER.parse(markdown):
        for part in (token, *(token.children or ())):
            content = part.content if part.type in ("fence", "code_inline") else ""
            bones.append((part.type, part.tag, content))
    return bones


def words(markdown: str) -> str:
    inlines = (token.children or () for token in PARSER.parse(markdown))
    return "".join(part.content or " " for children in inlines for part in children)


# Each made when it is first asked for: every worker of a test run imports this file.


@cache
def tame(article: kb.Article, name: str) -> str:
    return kb.render(article, {**FULL, name: "tame words"})


@cache
def tame_skeleton(article: kb.Article, name: str) -> list[tuple[Any, ...]]:
    return skeleton(tame(article, name))


@cache
def unknown(article: kb.Article, name: str) -> str:
    return kb.render(article, {k: v for k, v in FULL.items() if k != name})


@cache
def shown() -> list[tuple[kb.Article, str]]:
    return [
        (article, name)
        for article in kb.articles()
        for name in FREE
        if "tame words" in tame(article, name)
    ]


def check_that_only_text_is_added(article: kb.Article, name: str, value: str) -> None:
    rendered = kb.render(article, {**FULL, name: value})
    if rendered != unknown(article, name):
        assert skeleton(rendered) == tame_skeleton(article, name)
    # Dialects that link bare addresses find none that our own text does not have.
    baseline = tame(article, name)
    for bare in (r"(?<!\\)://", r"(?<!\\)@", r"(?i)www\."):
        assert len(re.findall(bare, rendered)) <= len(re.findall(bare, baseline))
    assert all(c.isprintable() or c == "\n" for c in rendered)


@given(st.deferred(lambda: st.sampled_from(shown())), hostile)
def test_a_hostile_value_is_text_and_nothing_else(
    where: tuple[kb.Article, str], value: str
) -> None:
    check_that_only_text_is_added(*where, value)


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=ascii)
def test_each_known_trick_is_text_and_nothing_else(fragment: str) -> None:
    for where in shown():
        check_that_only_text_is_added(*where, f"{fragment} <x>")


@given(st.sampled_from(kb.articles()), st.sampled_from(EXACT), hostile)
def test_a_malformed_address_counts_as_unknown(article: kb.Article, name: str, value: str) -> None:
    assert kb.render(article, {**FULL, name: value}) == unknown(article, name)


@given(hostile)
def test_a_hostile_feature_title_stays_in_its_cell(value: str) -> None:
    name = "outbound-tcp-blocked"
    rendered = kb.render(article(name), {**FULL, "features": [value]})
    plain = kb.render(article(name), {**FULL, "features": ["tame"]})
    assert skeleton(rendered) == skeleton(plain)


@given(st.text("<>[]()*_`~|&#!\\{}$;:/.-+=@^\"'ab1", min_size=1, max_size=60))
def test_neutralising_loses_nothing_of_a_short_value(value: str) -> None:
    assert value in words(kb.render(article("proxy-required"), {"proxy": value}))


@given(hostile)
def test_a_remedy_stays_one_printable_line(value: str) -> None:
    sentence = kb.remedy(article("local-port-in-use"), {"program": value})
    assert sentence.isprintable()


@pytest.mark.parametrize("name", FREE + EXACT)
def test_a_long_value_is_cut(name: str) -> None:
    for candidate in kb.articles():
        plain = kb.render(candidate, {**FULL, name: "x"})
        long = kb.render(candidate, {**FULL, name: "x" * 10_000})
        # A name may occur several times; each occurrence is bounded.
        assert len(long) < len(plain) + 20 * kb.LONGEST_VALUE
        assert "x" * (kb.LONGEST_VALUE + 1) not in long


@pytest.mark.parametrize(
    "address",
    ["fe80::1%eth0;reboot", "1.2.3.4 ", "1.2.3", "1.2.3.4/24", "１.2.3.4", "-1", "", "1.2.3.4\n"],
)
def test_what_is_no_address_never_reaches_a_command(address: str) -> None:
    commands = code("high-loss", {"router_address": address})
    assert "ping -c 100 <address of your router>" in commands.splitlines()


@pytest.mark.parametrize("host", ["-rf", "a;b", "a b", "a_b", "a..b", "$HOME", "a`b`", "é.example"])
def test_what_is_no_host_name_never_reaches_a_command(host: str) -> None:
    rendered = kb.render(article("dns-failure"), {"name": host})
    assert "nslookup <name in the report> 9.9.9.9" in rendered


@pytest.mark.parametrize("host", ["messenger.example.net", "localhost", "::1", "203.0.113.5"])
def test_a_host_name_or_address_does(host: str) -> None:
    assert f"nslookup {host} 9.9.9.9" in code("dns-failure", {"name": host})
