"""`./dev fuzz [NAME…] [--seconds N]`: fuzz every way in, or those that are named.

Seeds are recorded and simulated data and the corpus in tests/fuzz/corpus.  A find is written to `.fuzz/NAME/finds`;
once it is understood, put it into the corpus, which the ordinary tests try.  `flips` is no fuzzing but every single-bit
flip of recorded evidence.  Exit codes: 0 nothing found; 1 a find; 2 usage, or atheris is missing.
"""

import argparse
import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.every_target import TARGETS
from tests.fuzz.flips import every_flip
from tests.fuzz.target import CORPUS, Target

_WORK = Path(__file__).parents[2] / ".fuzz"
_FLIPS = "flips"
_MAX_BYTES = 64 * 1024
_KEPT_BYTES = 1024
_KEPT_FILES = 8
_MISSING = (
    "fuzz: atheris is not installed (it has wheels for CPython 3.11 to 3.13 on x86-64 Linux): "
    ".venv/bin/python -m pip install --require-hashes -r requirements-fuzz.lock"
)


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="./dev fuzz", description="Fuzz every way in.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*TARGETS, _FLIPS))}; default: all")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="add small inputs that reach new code to the corpus")
    arguments = parser.parse_args()
    names = arguments.names or [*TARGETS, _FLIPS]
    if unknown := [name for name in names if name not in TARGETS and name != _FLIPS]:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join((*TARGETS, _FLIPS))}")
    if set(names) != {_FLIPS} and importlib.util.find_spec("atheris") is None:
        print(_MISSING, file=sys.stderr)
        return 2
    bad = [name for name in names if not (_flip() if name == _FLIPS else _fuzz(name, arguments))]
    print(f"fuzz: {len(names)} targets, " + (f"finds in: {', '.join(bad)}" if bad else "nothing found"))
    return 1 if bad else 0


def _fuzz(name: str, arguments: argparse.Namespace) -> bool:
    """Whether nothing was found."""
    folder = _WORK / name
    seeds, finds = folder / "seeds", folder / "finds"
    for place in (seeds, finds):
        place.mkdir(parents=True, exist_ok=True)
    for data in _originals(TARGETS[name]):
        (seeds / _name(data)).write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(seeds)]
    limits = [f"-max_total_time={arguments.seconds}", f"-max_len={_MAX_BYTES}", "-timeout=10", "-rss_limit_mb=2048"]
    ended = subprocess.run(
        [*command, *limits, f"-artifact_prefix={finds}/", "-print_final_stats=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", ended.stdout)
    covered = re.findall(r"cov: (\d+)", ended.stdout)
    told = f"{runs[1] if runs else '?':>9} runs, coverage {covered[-1] if covered else '?':>5}"
    print(f"{name:<22} {told}, {f'a find in {finds}' if ended.returncode else 'nothing found'}", flush=True)
    if ended.returncode:
        print(ended.stdout[-4000:], file=sys.stderr)
    elif arguments.keep:
        _keep(TARGETS[name], seeds)
    return ended.returncode == 0


def _originals(target: Target) -> Iterator[bytes]:
    yield from target.seeds()
    for path in target.corpus:
        yield path.read_bytes()


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _keep(target: Target, seeds: Path) -> None:
    """Put the small inputs into the corpus that were the last to reach something new: they lead deepest."""
    originals = {_name(data) for data in _originals(target)}
    found = sorted(
        (path for path in seeds.iterdir() if path.name not in originals), key=lambda path: path.stat().st_mtime
    )
    small = [data for path in found if len(data := path.read_bytes()) <= _KEPT_BYTES]
    corpus = CORPUS / target.name
    room = _KEPT_FILES - len(target.corpus)
    for data in small[-room:] if room > 0 else ():
        corpus.mkdir(exist_ok=True)
        (corpus / _name(data)).write_bytes(data)


def _flip() -> bool:
    """Whether every flip was refused."""
    clean = True
    for line, accepted in every_flip():
        print(line, flush=True)
        clean = clean and not accepted
    return clean


if __name__ == "__main__":
    sys.exit(main())
