"""``netcheck profiles``: which applications are known, and what each of their features needs."""

from __future__ import annotations

import click


@click.group("profiles")
def profiles_group() -> None:
    """Read the application profiles."""


@profiles_group.command("list")
def list_profiles() -> None:
    """List the built-in profiles."""
    from netcheck import profile

    for entry in profile.built_in():
        click.echo(f"{entry.id}\t{entry.title}: {entry.summary}")


@profiles_group.command("show")
@click.argument("name", metavar="ID|FILE")
def show(name: str) -> None:
    """Show the features of a profile and what each requires."""
    from netcheck import profile
    from netcheck.diagnosis.spans import spans
    from netcheck.report.page import clean

    try:
        chosen = profile.find(name)
    except profile.ProfileError as error:
        click.echo(clean(str(error)), err=True)
        raise SystemExit(2) from None
    click.echo(clean(f"{chosen.title} ({chosen.id})"))
    for feature in chosen.features:
        facts = f" [{', '.join(feature.facts)}]" if feature.facts else ""
        click.echo("\n" + clean(f"{feature.title} ({feature.id}){facts}"))
        for need in feature.requires:
            ports = spans(need.port_numbers)
            source = f" from local port {need.local_port}" if need.local_port else ""
            some = f", at least {need.at_least}" if need.at_least else ""
            shown = "" if need.decides else " (shown only)"
            what = f"{need.probe} {ports}".strip() if ports else need.means or need.protocol
            click.echo("  - " + clean(f"{what}{source}{some}{shown}"))
