"""Customer lists of two companies that never existed, with a known number of common customers.

By hand: `python -m examples.common_customers.generate FOLDER` writes alice.csv, bob.csv and common.txt.
"""

import argparse
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROWS = 100_000
COMMON = 12_345
SEED = 2026


@dataclass(frozen=True, slots=True)
class Lists:
    """alice, bob: CSV texts with the header `email,name`.  common: the shared e-mail addresses, lower case, sorted."""

    alice: str
    bob: str
    common: tuple[str, ...]


def generate(rows: int = ROWS, common: int = COMMON, seed: int = SEED) -> Lists:
    """Lists of `rows` customers each, `common` of them the same people; the same seed gives the same bytes.

    The two companies write a common customer differently (letter case, a blank, the name's order), as real ones do.
    Raises ValueError if more customers are to be common than a list has.
    """
    if not 0 <= common <= rows:
        raise ValueError(f"common customers: expected 0 to {rows}, got {common}")
    chance = random.Random(seed)
    people = [_person(chance, number) for number in range(2 * rows - common)]
    alices, bobs = people[:rows], people[rows - common :]
    shared = tuple(sorted(email for email, _, _ in people[rows - common : rows]))
    chance.shuffle(alices)
    chance.shuffle(bobs)
    return Lists(
        alice=_csv((email, f"{first} {last}") for email, first, last in alices),
        bob=_csv((_as_typed(chance, email), f'"{last}, {first}"') for email, first, last in bobs),
        common=shared,
    )


def write(lists: Lists, folder: Path) -> tuple[Path, Path]:
    """Put the lists into `folder` as alice.csv, bob.csv and common.txt; returns the first two paths."""
    alice, bob = folder / "alice.csv", folder / "bob.csv"
    alice.write_text(lists.alice, encoding="utf-8", newline="")
    bob.write_text(lists.bob, encoding="utf-8", newline="")
    (folder / "common.txt").write_text("".join(f"{email}\n" for email in lists.common), encoding="utf-8")
    return alice, bob


def main(arguments: list[str]) -> int:
    """The command `python -m examples.common_customers.generate`."""
    parser = argparse.ArgumentParser(prog="generate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--common", type=int, default=COMMON)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    alice, bob = write(generate(chosen.rows, chosen.common, chosen.seed), chosen.folder)
    print(f"{alice} and {bob}: {chosen.rows} rows each, {chosen.common} in common")
    return 0


def _person(chance: random.Random, number: int) -> tuple[str, str, str]:
    first, last = chance.choice(_FIRST_NAMES), chance.choice(_LAST_NAMES)
    return f"{first}.{last}.{number}@{chance.choice(_DOMAINS)}".lower(), first, last


def _as_typed(chance: random.Random, email: str) -> str:
    shape = chance.randrange(4)
    return email.upper() if shape == 0 else f" {email}" if shape == 1 else email


def _csv(rows: Iterable[tuple[str, str]]) -> str:
    return "email,name\r\n" + "".join(f"{email},{name}\r\n" for email, name in rows)


_FIRST_NAMES = ("Amina", "Bruno", "Chen", "Dora", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kavya", "Liam")
_LAST_NAMES = ("Adeyemi", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ivanova", "Jensen")
_DOMAINS = ("mail.example", "post.example", "inbox.example")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
