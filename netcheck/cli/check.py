"""``netcheck check``: the headless check.  Progress to stderr, the report to stdout."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from netcheck.check import Check, Event
    from netcheck.profile import Profile
    from netcheck.report.model import Report
    from probes.wire.link import Link

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
    "--profile",
    "profiles",
    metavar="ID|FILE",
    multiple=True,
    help="What to check for; may be given several times. [default: all built in]",
)
@click.option("--format", "format_name", default="text", show_default=True, help="text or json.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to a file instead of standard output.",
)
@click.option("--details", is_flag=True, help="Show every port and fact in the text report.")
@click.option(
    "--articles", is_flag=True, help="Add the steps of every remedy, with this computer's values."
)
@click.option("--bind", metavar="ADDRESS", help="Test from this address of this computer.")
@click.option(
    "--insecure", is_flag=True, help="Accept any certificate of the server; the report says so."
)
def check(
    server: str | None,
    profiles: tuple[str, ...],
    format_name: str,
    output: Path | None,
    details: bool,
    articles: bool,
    bind: str | None,
    insecure: bool,
) -> None:
    """Test this network against an echo server.

    Exit status: 0 everything works, 1 something is limited or fails, 2 wrong usage,
    3 the check could not be made or could not decide everything.
    """
    from netcheck.report import formats
    from netcheck.report.read import ReportError
    from probes.errors import LinkError, SetupError
    from probes.wire import link

    try:
        if format_name not in formats.names():
            _refuse(f"There is no format {format_name[:40]!r}; use {' or '.join(formats.names())}.")
        chosen = _profiles(profiles)
        if bind is not None and not _own(bind):
            _refuse(f"--bind {bind[:60]!r} is not an IP address of this computer.")
        if output is not None and not output.absolute().parent.is_dir():
            _refuse(f"There is no folder {output.absolute().parent} to write the report to.")
        found = None if server is None else link.parse(server)
        report = asyncio.run(
            _run(found, chosen, insecure=insecure, bind=bind, format_name=format_name)
        )
    except (LinkError, SetupError) as error:
        _refuse(str(error))
    titles = {profile.id: profile.title for profile in chosen}
    shown = {"details": details, "articles": articles, "profile_titles": titles}
    try:
        _deliver(report, format_name, output, **shown)
    except ReportError as error:
        # The check is done; its result is not to be lost with the file.
        _deliver(report, format_name, None, **shown)
        _refuse(str(error))
    raise SystemExit(EXIT[report.overall])


def _own(address: str) -> bool:
    """Whether ``address`` is one of this computer's: tried, since a list may lack some."""
    from probes.wire import link

    if not link.is_address(address):
        return False
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


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


async def _run(
    link: Link | None,
    profiles: tuple[Profile, ...],
    *,
    insecure: bool,
    bind: str | None,
    format_name: str,
) -> Report:
    """The check, with an embedded server if there is no other."""
    from netcheck import plan
    from netcheck.check import Check, Options

    async with AsyncExitStack() as stack:
        if link is not None:
            server = link
        else:
            from netcheck.server.embedded import embedded

            wanted = plan.make(profiles)
            serving = embedded(wanted.tcp_ports, wanted.udp_ports)
            server, bind = await stack.enter_async_context(serving)
        options = Options(
            link=server, profiles=profiles, embedded=link is None, insecure=insecure, bind=bind
        )
        with _progress() as tell:
            check = Check(options, tell)
            with _interruptible(check):
                getting_ready = asyncio.create_task(_get_ready(format_name))
                try:
                    return await check.run()
                finally:
                    getting_ready.cancel()
                    await asyncio.gather(getting_ready, return_exceptions=True)


async def _get_ready(format_name: str) -> None:
    """Load what the report will need while the check waits for the network."""
    await asyncio.sleep(_READY_AFTER_S)
    await asyncio.to_thread(_load, format_name)


_READY_AFTER_S = 0.1
"""By then the first packets are out, and their answers are a round trip away."""


def _load(format_name: str) -> None:
    import_module("netcheck.diagnosis")
    import_module("netcheck.kb").articles()
    import_module(f"netcheck.report.{format_name}")
    if format_name == "text":
        for module in ("jinja2.sandbox", "rich.console", "rich.padding", "rich.table"):
            import_module(module)


@contextmanager
def _progress() -> Iterator[Callable[[Event], None]]:
    """A live line on a terminal; nothing where standard error is a file or a pipe."""
    if not sys.stderr.isatty():
        yield lambda event: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from netcheck import check

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("Starting", total=1)

        def tell(event: Event) -> None:
            if isinstance(event, check.Progress):
                bar.update(
                    task, description=event.doing, completed=event.done, total=max(1, event.total)
                )

        yield tell


@contextmanager
def _interruptible(check: Check) -> Iterator[None]:
    """Ctrl+C and SIGTERM end the check with what was found; a second Ctrl+C ends the program."""
    loop = asyncio.get_running_loop()

    def cancel(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop.call_soon_threadsafe(check.cancel)

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
        text = formats.render(format_name, report, **options, **page.options_for(sys.stdout))
        click.echo(text, nl=False)
    else:
        save.save(output, formats.render(format_name, report, **options))
