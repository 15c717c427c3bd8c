"""What fuzzing once found, and what it starts from, is tried in every run of the tests, without any fuzzer."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz.every_target import TARGETS
from tests.fuzz.flips import RECORDED, Recorded
from tests.fuzz.target import CORPUS

ROOT = Path(__file__).parents[2]
SEEDS_TRIED = 6
FLIPS = 48


@pytest.mark.parametrize("name", TARGETS)
def test_corpus_and_seeds_are_read_or_refused_as_documented(name: str) -> None:
    target = TARGETS[name]
    for data in (b"", b"\0", b"{}", b"[]", b"\xff" * 70, *islice(target.seeds(), SEEDS_TRIED)):
        target(data)
    for path in target.corpus:
        target(path.read_bytes())


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
    sizes = [path.stat().st_size for path in CORPUS.glob("*/*")]
    assert 400_000 > sum(sizes)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.folder)
def test_a_flipped_bit_of_what_is_signed_is_refused(recorded: Recorded) -> None:
    assert recorded.is_accepted()
    assert [] == [place for place in recorded.sample(FLIPS, "20261128") if recorded.is_accepted(*place)]


def test_fuzzing_an_unknown_target_is_a_usage_error() -> None:
    ended = subprocess.run([sys.executable, "-m", "tests.fuzz", "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert (2, True) == (ended.returncode, "no target nothing" in ended.stderr)
