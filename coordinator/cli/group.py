"""A group of commands whose help says of each what it does, in a whole sentence."""

import click


class Group(click.Group):
    """Click cuts these sentences to one line of the terminal; here they go on in the next."""

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(_WHOLE)) for name, command in commands if command is not None]
            )


_WHOLE = 1000
