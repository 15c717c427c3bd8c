"""Small pieces of sentences about manifests, for people."""


def starts(limit: int) -> str:
    """How often a marble may start.  limit: 0 is none."""
    if limit == 0:
        return "without limit"
    return "at most once" if limit == 1 else f"at most {limit} times"


def printable(text: str) -> str:
    """One line of text that cannot move the cursor or begin another line: names are somebody else's."""
    return "".join(character if character.isprintable() else "�" for character in text)
