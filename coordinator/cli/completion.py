"""`enclasp completion SHELL`: the script that completes commands and options."""

import click

from coordinator.cli.command import reports
from coordinator.cli.output import Output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@reports
def completion(output: Output, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    enclasp completion bash --out ~/.local/share/bash-completion/completions/enclasp
    source <(enclasp completion zsh)
    """
    from click.shell_completion import get_completion_class

    from coordinator.cli.main import enclasp

    maker = get_completion_class(shell)
    assert maker is not None
    script = maker(enclasp, {}, "enclasp", "_ENCLASP_COMPLETE").source()
    output.result({"shell": shell, "script": script}, script)
