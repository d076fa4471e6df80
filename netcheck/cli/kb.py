"""``netcheck kb``: reads the knowledge base."""

from __future__ import annotations

import sys

import click


@click.group("kb")
def kb_group() -> None:
    """Read the articles that say what to do."""


@kb_group.command("list")
def list_articles() -> None:
    """List the articles: one line each, id and title."""
    from netcheck.kb import articles

    if not sys.stdout.isatty():
        for article in articles():
            click.echo(f"{article.id}\t{article.title}")
        return

    from rich.console import Console
    from rich.table import Table

    table = Table("Article", "Title", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    for article in articles():
        table.add_row(article.id, article.title)
    Console().print(table, markup=False)


@kb_group.command("show")
@click.argument("article_id", metavar="ID")
@click.pass_context
def show_article(context: click.Context, article_id: str) -> None:
    """Show the article ID, which may also be the name of a cause."""
    from netcheck.kb import find, near, render
    from netcheck.report.page import clean

    article = find(article_id)
    if article is None:
        likely = " or ".join(f"“{name}”" for name in near(article_id))
        hint = f"did you mean {likely}?" if likely else "“netcheck kb list” shows them all."
        click.echo(f"There is no article “{clean(article_id)}”: {hint}", err=True)
        context.exit(2)

    text = f"# {article.title}\n\n{render(article)}"
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return

    from netcheck.report.page import Page, options_for

    page = Page(**options_for(sys.stdout))
    page.markdown(text)
    click.echo(page.text(), nl=False)
