"""The page of the code's layout is what the code says of itself."""

from pathlib import Path

import pytest

from tests.support import architecture
from tests.support.architecture import main, missing_files, page


def test_the_page_is_current() -> None:
    assert 0 == main(["--check"])


def test_a_room_is_shown_in_its_own_words_and_one_that_says_nothing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    room = tmp_path / "house" / "room.py"
    room.parent.mkdir()
    monkeypatch.setattr(architecture, "ROOT", tmp_path)
    monkeypatch.setattr(architecture, "HOUSES", {"house": "of one room"})

    room.write_text('"""What is\nin here?\n\nMore."""\n')
    assert "| [`house/room.py`](../house/room.py) | What is in here? |" in page()
    room.write_text("nothing = True\n")
    with pytest.raises(ValueError, match=r"house/room\.py: expected a docstring"):
        page()


def test_the_stories_pass_files_that_are_there() -> None:
    assert [] == missing_files()
