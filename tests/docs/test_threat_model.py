"""The table of the threat model names everything that can keep the state's key, and nothing else."""

import re
from pathlib import Path

from coordinator.journal.sources import _KEEPERS
from coordinator.journal.vault import RECOVERY
from coordinator.manifest.model import KeySource, SealMode
from tests.support.transcript import section

ROOT = Path(__file__).parents[2]
PAGE, JOURNAL = ROOT / "docs" / "threat-model.md", ROOT / "coordinator" / "journal"


def rows() -> list[list[str]]:
    _, text = section(PAGE, "Who keeps the state's key")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_key_source_and_seal_mode_has_a_row_that_says_who_can_read_forge_and_roll_back() -> None:
    kept_by = [" ".join(re.findall(r"`(\w+)`", row[0])) for row in rows()]
    platform = [f"{KeySource.PLATFORM} {mode}" for mode in SealMode]
    others = [str(source) for source in KeySource if source is not KeySource.PLATFORM]
    assert sorted([*platform, *others, f"{RECOVERY.capitalize()}Keys", "Coordinators"]) == sorted(kept_by)
    assert all(len(row) == 4 and all(row) for row in rows())


def test_every_source_in_code_is_one_that_a_manifest_can_name() -> None:
    named = re.compile(r'^    name: Final = "(\w+)"$', re.MULTILINE)
    found = {name for file in JOURNAL.glob("*.py") for name in named.findall(file.read_text())}
    assert found == set(_KEEPERS)
    assert set(KeySource) == set(_KEEPERS.values())
