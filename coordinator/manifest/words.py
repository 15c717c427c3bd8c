"""Small pieces of sentences about manifests, for people."""

from datetime import timedelta


def starts(limit: int) -> str:
    """How often a marble may start.  limit: 0 is none."""
    if limit == 0:
        return "without limit"
    return "at most once" if limit == 1 else f"at most {limit} times"


def lasts(lifetime: timedelta | None) -> str:
    """How long a certificate is valid.  lifetime: None is without end."""
    if lifetime is None:
        return "without end"
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count, rest = divmod(int(lifetime.total_seconds()), seconds)
        if not rest:
            return f"for {count} {unit}{'' if count == 1 else 's'}"
    return f"for {int(lifetime.total_seconds())} seconds"


def printable(text: str) -> str:
    """One line of text that cannot move the cursor or begin another line: names are somebody else's."""
    return "".join(character if character.isprintable() else "�" for character in text)
