"""``netcheck check``: the headless check.  Progress to stderr, the report to stdout."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from click.core import ParameterSource

from netcheck import redacting
from netcheck.cli.interrupt import at_once

if TYPE_CHECKING:
    from netcheck.check import Check, Event
    from netcheck.plan import Depth, Part
    from netcheck.prepared import Wanted
    from netcheck.profile import Profile
    from netcheck.report.model import Report
    from netcheck.unfinished import Keeper

EXIT = {"works": 0, "limited": 1, "fails": 1, "unknown": 3}
"""By the overall verdict.  3 also says that the check could not decide everything."""

SERVER_VARIABLE = "NETCHECK_SERVER"


@click.command()
@click.option(
    "--server",
    metavar="HOST[:PORT]|LINK",
    envvar=SERVER_VARIABLE,
    help="The echo server, as a name, an address, or the netcheck:// link it printed. "
    f"[also: {SERVER_VARIABLE}] Without one, a server on this computer itself is used.",
)
@click.option(
    "--stun",
    metavar="HOST[:PORT]",
    multiple=True,
    help="Without an echo server: see how the NAT behaves with any STUN server. Give its second "
    "address as well, if it has one, by a second --stun.",
)
@click.option(
    "--profile",
    "profiles",
    metavar="ID|FILE",
    multiple=True,
    help="What to check for; may be given several times. [default: all built in]",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Only the ports that the profiles need, in a second or two; with --stun only how the "
    "NAT maps and filters.",
)
@click.option(
    "--deep",
    is_flag=True,
    help="Find exact limits and lifetimes as well: takes up to ten minutes.",
)
@click.option(
    "--only",
    metavar="PART",
    multiple=True,
    help="Run only this part; may be given several times: "
    "ports, nat (its behaviour), editors (addresses inside messages), range (dynamic ports), "
    "media (voice and video).",
)
@click.option(
    "--format", "format_name", default="text", show_default=True, help="text, html, pdf or json."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to a file instead of standard output.",
)
@click.option("--details", is_flag=True, help="Show every port and fact in the text report.")
@click.option(
    "--articles", is_flag=True, help="Add the steps of every remedy, with this computer's values."
)
@click.option(
    "--redact",
    is_flag=True,
    help="Put placeholders for names and addresses of people, computers, networks and programs.",
)
@click.option(
    "--keep/--no-keep",
    default=None,
    help="Keep the check in the history of this computer (netcheck history list). "
    "[default: where progress is shown on a terminal]",
)
@click.option("--bind", metavar="ADDRESS", help="Test from this address of this computer.")
@click.option(
    "--insecure", is_flag=True, help="Accept any certificate of the server; the report says so."
)
@click.pass_context
def check(
    context: click.Context,
    server: str | None,
    stun: tuple[str, ...],
    profiles: tuple[str, ...],
    quick: bool,
    deep: bool,
    only: tuple[str, ...],
    format_name: str,
    output: Path | None,
    details: bool,
    articles: bool,
    redact: bool,
    keep: bool | None,
    bind: str | None,
    insecure: bool,
) -> None:
    """Test this network against an echo server.

    Exit status: 0 everything works, 1 something is limited or fails, 2 wrong usage,
    3 the check could not be made or could not decide everything.
    """
    with at_once():
        from netcheck import plan
        from netcheck.prepared import Wanted
        from netcheck.report import formats
        from netcheck.report.read import ReportError
        from probes.errors import LinkError, SetupError
        from probes.wire import link

    try:
        if not formats.exists(format_name):
            _refuse(f"There is no format {format_name[:40]!r}; use {', '.join(formats.names())}.")
        to_terminal = output is None and sys.stdout.isatty()
        if obstacle := formats.obstacle(format_name, to_terminal=to_terminal):
            _refuse(obstacle)
        chosen = _profiles(profiles)
        if bind is not None and not _own(bind):
            _refuse(f"--bind {bind[:60]!r} is not an IP address of this computer.")
        if output is not None and not output.absolute().parent.is_dir():
            _refuse(f"There is no folder {output.absolute().parent} to write the report to.")
        if bind is not None and server is None and not stun:
            _refuse(
                "Without a server --bind has nothing to test: name one with --server or --stun, "
                "or leave out --bind."
            )
        if stun and server is not None:
            if context.get_parameter_source("server") is ParameterSource.COMMANDLINE:
                _refuse("Give either --server or --stun: an echo server answers STUN as well.")
            server = None  # only set in the environment; what was typed counts
        if server is None and not stun and set(only) & (set(plan.PARTS) - {"ports"}):
            _refuse(
                "Without a server only the ports of this computer itself can be tested: "
                "name one with --server, or leave out --only."
            )
        wanted = Wanted(
            link=None if server is None else link.parse(server),
            stun=tuple(link.parse(server) for server in stun),
            profiles=chosen,
            insecure=insecure,
            bind=bind,
            depth=_depth(quick, deep),
            only=_parts(only, stun),
        )
        for named in wanted.stun or filter(None, (wanted.link,)):
            if bind is not None and link.is_address(named.host) and _differ(bind, named.host):
                _refuse(
                    f"From --bind {bind} there is no way to {named.host}: one is an IPv4 address, "
                    "the other an IPv6 address."
                )
        with _kept(wanted, sys.stderr.isatty() if keep is None else keep) as kept:
            report = asyncio.run(_run(wanted, format_name, kept.tell, quiet=redact))
            kept.report = report
    except (LinkError, SetupError) as error:
        _refuse(str(error))
    if redact:
        report = redacting.redacted(report)
    titles = {profile.id: profile.title for profile in chosen}
    shown = {"details": details, "articles": articles, "profile_titles": titles}
    try:
        _deliver(report, format_name, output, **shown)
    except ReportError as error:
        # The check is done; its result is not to be lost with the file.
        fits = formats.obstacle(format_name, to_terminal=sys.stdout.isatty()) is None
        _deliver(report, format_name if fits else "text", None, **shown)
        _refuse(str(error))
    raise SystemExit(EXIT[report.overall])


def _own(address: str) -> bool:
    """Whether ``address`` is one of this computer's: tried, since a list may lack some."""
    from probes.wire import link

    if not link.is_address(address):
        return False
    plain = ipaddress.ip_address(address.partition("%")[0])
    # A system may bind to all of these, but none is an address that packets come from.
    if plain.is_unspecified or plain.is_multicast or address == "255.255.255.255":
        return False
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


def _differ(one: str, other: str) -> bool:
    """Whether one is an IPv4 and the other an IPv6 address."""
    return (":" in one) != (":" in other)


def _refuse(sentence: str) -> NoReturn:
    from netcheck.report.page import clean

    click.echo(clean(sentence), err=True)
    raise SystemExit(2)


def _profiles(names: tuple[str, ...]) -> tuple[Profile, ...]:
    from netcheck import profile

    try:
        chosen = tuple(profile.find(name) for name in dict.fromkeys(names)) or profile.built_in()
    except profile.ProfileError as error:
        _refuse(str(error))
    return tuple({entry.id: entry for entry in chosen}.values())


def _depth(quick: bool, deep: bool) -> Depth:
    if quick and deep:
        _refuse("--quick and --deep exclude each other; give one of them.")
    return "quick" if quick else "deep" if deep else "default"


def _parts(only: tuple[str, ...], stun: tuple[str, ...]) -> frozenset[Part]:
    from netcheck import plan

    for name in only:
        if name not in plan.PARTS:
            _refuse(f"There is no part {name[:40]!r}; use {', '.join(plan.PARTS)}.")
    chosen = frozenset(part for part in plan.PARTS if part in only)
    if stun and chosen - {"nat"}:
        _refuse("A STUN server can only test how the NAT behaves: leave out --only, or use nat.")
    return frozenset({"nat"}) if stun else chosen


async def _run(
    wanted: Wanted, format_name: str, also_tell: Callable[[Event], None], *, quiet: bool
) -> Report:
    """`quiet`: of what is observed nothing is shown on the way, as it names addresses."""
    from netcheck.check import Observed
    from netcheck.prepared import prepared

    def tell(event: Event) -> None:
        also_tell(event)
        if not (quiet and isinstance(event, Observed)):
            show(event)

    with _progress() as show:
        async with prepared(wanted, tell) as check:
            with _interruptible(check):
                getting_ready = asyncio.create_task(_get_ready(format_name))
                try:
                    return await check.run()
                finally:
                    getting_ready.cancel()
                    await asyncio.gather(getting_ready, return_exceptions=True)


class _Kept:
    """A check on its way into the history; without a keeper it is not kept."""

    def __init__(self, keeper: Keeper | None) -> None:
        self.keeper = keeper
        self.report: Report | None = None

    def tell(self, event: Event) -> None:
        from netcheck.check import Observed

        if self.keeper is not None and isinstance(event, Observed):
            self.keeper.observe(event.observation)


@contextmanager
def _kept(wanted: Wanted, keep: bool) -> Iterator[_Kept]:
    """Writes the check down while it runs.  That this fails is said, and is no failure of it."""
    if not keep:
        yield _Kept(None)
        return
    from netcheck.history import History, HistoryError
    from netcheck.report.page import clean
    from netcheck.unfinished import Keeper, begun_now

    history = History()
    begun = begun_now(wanted.profiles, depth=wanted.depth, only=wanted.only, embedded=wanted.alone)
    kept = _Kept(Keeper(history, begun))
    try:
        yield kept
    finally:
        assert kept.keeper is not None
        try:
            if kept.report is None:
                kept.keeper.discard()
            elif not kept.keeper.finish(kept.report):
                click.echo("The check was stopped before it found anything: not kept.", err=True)
        except HistoryError as error:
            click.echo(clean(str(error)), err=True)
        if history.notice:
            click.echo(clean(history.notice), err=True)


async def _get_ready(format_name: str) -> None:
    """Load what the report will need while the check waits for the network."""
    await asyncio.sleep(_READY_AFTER_S)
    await asyncio.to_thread(_load, format_name)


_READY_AFTER_S = 1.0
"""By then the probes are under way, which have enough to load themselves.  Sooner, their first
packet is a tenth of a second later, and so is the end of what takes longest, voice and video."""


def _load(format_name: str) -> None:
    import_module("netcheck.diagnosis")
    import_module("netcheck.kb").articles()
    import_module(f"netcheck.report.{format_name}")
    if format_name == "text":
        for module in ("jinja2.sandbox", "rich.console", "rich.padding", "rich.table"):
            import_module(module)
    if sys.stderr.isatty():
        import_module("rich.progress")  # the live display waits for it


@contextmanager
def _progress() -> Iterator[Callable[[Event], None]]:
    """A live line on a terminal; nothing where standard error is a file or a pipe."""
    if not sys.stderr.isatty():
        yield lambda event: None
        return
    from netcheck.cli.live import Live

    with Live(sys.stderr) as live:
        yield live.tell


@contextmanager
def _interruptible(check: Check) -> Iterator[None]:
    """Ctrl+C and SIGTERM end the check with what was found; a second Ctrl+C ends the program.

    That is raised by the loop: an import that it struck would keep its lock, and whoever loads
    something in a thread would wait for that for ever.
    """
    loop = asyncio.get_running_loop()

    def cancel(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, leave)
        loop.call_soon_threadsafe(check.cancel)

    def leave(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(signal.default_int_handler, number, None)

    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deliver(report: Report, format_name: str, output: Path | None, **options: object) -> None:
    """Write the report to its place.  Raises ReportError."""
    from netcheck.report import formats, page, save

    if output is None:
        shown = formats.render(format_name, report, **options, **page.options_for(sys.stdout))
        # Every format is UTF-8; only text meant to be looked at follows the terminal.
        if isinstance(shown, str) and format_name != "text":
            shown = shown.encode("utf-8", "replace")
        click.echo(shown, nl=False)
    else:
        save.save(output, formats.render(format_name, report, **options))
