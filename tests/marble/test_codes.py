"""Every code that the marble side uses can be explained, and every one that can be explained is used."""

import re
from pathlib import Path

from marble.codes import CODES

SOURCES = Path(__file__).parents[2] / "marble"


def test_codes_and_their_uses_are_the_same() -> None:
    used = {
        code
        for path in SOURCES.glob("*.py")
        if path.name != "codes.py"
        for code in re.findall(r'"([AK]\d{3})"', path.read_text())
    }
    assert used == set(CODES)


def test_every_code_has_a_title_and_a_next_step() -> None:
    assert all(title and hint and not title.endswith(".") for title, hint in CODES.values())
