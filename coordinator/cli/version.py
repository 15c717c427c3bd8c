"""`enclasp version`."""

import click

from coordinator.cli.command import reports
from coordinator.cli.output import Output


@click.command()
@reports
def version(output: Output) -> None:
    """Print the version.

    \b
    enclasp version
    enclasp version -o json
    """
    import platform
    from importlib.metadata import version as installed_version

    number = installed_version("enclasp")
    output.result({"version": number, "python": platform.python_version()}, f"enclasp {number}")
