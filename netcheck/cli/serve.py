"""``netcheck serve``: the cooperating echo server, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from netcheck.server.serve import EchoServer, ServerConfig


@click.command()
@click.option(
    "--listen",
    metavar="ADDRESS",
    multiple=True,
    help="Serve on this address; may be given several times. [default: all of this machine's]",
)
@click.option(
    "--advertise",
    metavar="ADDRESS",
    multiple=True,
    help="The public address of a 1:1 NAT, for each --listen in its order.",
)
@click.option(
    "--control-port",
    type=click.IntRange(1, 65535),
    multiple=True,
    help="For the control connection; give 443 as well to be reached from nearly everywhere. "
    "[default: 8463]",
)
@click.option(
    "--stun-port",
    type=click.IntRange(0, 65534),
    default=3478,
    show_default=True,
    help="Answer STUN here and on the next port, over UDP and TCP; 0 for no STUN.",
)
@click.option(
    "--editors/--no-editors",
    default=True,
    show_default=True,
    help="Speak the protocols that NAT editors look for, such as FTP, SIP and H.323.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    help="A PEM certificate instead of a self-made one.",
)
@click.option(
    "--key", type=click.Path(path_type=Path), help="Its key, if it is not in the same file."
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the self-made certificate is kept. [default: this user's data folder]",
)
@click.option(
    "--profile", "profiles", metavar="ID|FILE", multiple=True, help="Serve these profiles' ports."
)
def serve(
    listen: tuple[str, ...],
    advertise: tuple[str, ...],
    control_port: tuple[int, ...],
    stun_port: int,
    editors: bool,
    certificate: Path | None,
    key: Path | None,
    data_dir: Path | None,
    profiles: tuple[str, ...],
) -> None:
    """Run an echo server for others to test against.

    It listens on every port of the profiles, answers STUN, and speaks the protocols that NAT
    editors look for.  Ports that cannot be opened
    are named, and clients are told; the rest is served.  Ctrl+C or SIGTERM lets running checks
    end.
    """
    import asyncio

    from netcheck import plan, profile
    from netcheck.report.page import clean
    from netcheck.server.serve import ServerConfig
    from probes.errors import SetupError
    from probes.wire.link import CONTROL_PORT, is_address

    try:
        chosen = tuple(profile.find(name) for name in profiles) or profile.built_in()
        if len(advertise) > len(listen):
            raise SetupError("There are more --advertise addresses than --listen addresses.")
        for address in advertise:
            if not is_address(address) or not _can_be_called(address):
                raise SetupError(
                    f"--advertise {address!r} is not an IP address that can be called."
                )
        wanted = [plan.make((entry,)) for entry in chosen]
        config = ServerConfig(
            listen=listen or ("0.0.0.0", "::"),
            advertise=advertise,
            control_ports=tuple(dict.fromkeys(control_port)) or (CONTROL_PORT,),
            tcp_ports=tuple(sorted({port for each in wanted for port in each.tcp_ports})),
            udp_ports=tuple(sorted({port for each in wanted for port in each.udp_ports})),
            stun_port=stun_port or None,
            editors=editors,
            certificate=certificate,
            key=key,
            data_dir=data_dir or _own_folder(),
        )
        asyncio.run(_serve(config))
    except (SetupError, profile.ProfileError) as error:
        click.echo(clean(str(error)), err=True)
        raise SystemExit(2) from None


def _own_folder() -> Path:
    import platformdirs

    from probes.errors import SetupError

    try:
        return platformdirs.user_data_path("netcheck", appauthor=False)
    except RuntimeError:  # a user whom the system does not know, as in many containers
        raise SetupError(
            "This user has no home folder to keep the server's certificate in; name a folder"
            " with --data-dir."
        ) from None


def _can_be_called(address: str) -> bool:
    import ipaddress

    plain = ipaddress.ip_address(address.partition("%")[0])
    return not (plain.is_unspecified or plain.is_multicast)


async def _serve(config: ServerConfig) -> None:
    import asyncio
    import signal

    from netcheck.server.serve import EchoServer

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    server = EchoServer(config)
    await server.start()
    try:
        _introduce(server)
        await stop.wait()
        click.echo("Stopping; checks that are running may end.", err=True)
        stop.clear()
        # A second signal does not wait for them.
        draining = asyncio.ensure_future(server.drain())
        again = asyncio.ensure_future(stop.wait())
        await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, again):
            task.cancel()
        await asyncio.gather(draining, again, return_exceptions=True)
    finally:
        await server.close()


def _introduce(server: EchoServer) -> None:
    """Say where it serves, what it could not open, and what to give to users."""
    for problem in server.problems:
        click.echo(f"Not available: {problem}", err=True)
    click.echo("The echo server is ready. Give one of these links to those who test:")
    for link in server.links():
        click.echo(f"  netcheck check --server '{link}'")
