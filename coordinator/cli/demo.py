"""`enclasp demo`: the whole of it, on simulated hardware."""

import click

from coordinator.cli.command import guarded


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
        from examples.common_customers.demo import main

        return main(keep)

    ctx.exit(guarded(play, machine=False))
