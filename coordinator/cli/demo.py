"""`enclasp demo`: the whole of it, on simulated hardware."""

from typing import Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import guarded
from coordinator.cli.problems import Problem

_PACKAGES: Final = ("aiohttp", "OpenSSL", "prometheus_client", "grpc")


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running at the end, and print what to try next.")
@click.pass_context
def demo(ctx: click.Context, keep: bool) -> None:
    """Two companies find their common customers, and neither shows its list. Simulated hardware.

    \b
    enclasp demo
    enclasp demo --keep
    """

    def play() -> int:
        from importlib.util import find_spec

        if missing := [name for name in _PACKAGES if find_spec(name) is None]:
            hint = "`./dev demo` in the repository brings them; or install with the extras: '.[coordinator,grpc]'"
            raise Problem(f"Python packages are missing: {', '.join(missing)}", exit_codes.USAGE, "U505", hint)
        from examples.common_customers.demo import main

        return main(keep)

    ctx.exit(guarded(play, machine=False))
