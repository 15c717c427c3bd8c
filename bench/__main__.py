"""`python -m bench`: measure, print the tables, write `bench/results/latest.{json,md,svg}`.

Exit codes: 0 done; 1 an activation, a request or a coordinator failed (nothing is written then); 2 usage.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.coordinator import CoordinatorFailed
from bench.document import as_json
from bench.generator import LoadFailed
from bench.machine import describe
from bench.plot import draw
from bench.report import Run, as_markdown, verification_table
from bench.scenarios import FULL, QUICK, measure
from bench.unit import UnitMeter
from bench.verifications import measure_verifications

_HERE = Path(__file__).parent


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="What does an activation cost?")
    parser.add_argument("--quick", action="store_true", help="fewer activations; ends within 60 s")
    parser.add_argument("--verification", action="store_true", help="only verify evidence (no results)")
    parser.add_argument("--results", type=Path, default=_HERE / "results", help="folder for latest.json, .md and .svg")
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="DIR",
        help="run the coordinators under cProfile, statistics to DIR (no results)",
    )
    arguments = parser.parse_args()
    if arguments.verification:
        unit = UnitMeter()
        print(verification_table(measure_verifications(FULL.verifications, unit)))
        print(f"U = {unit.milliseconds():.2f} ms of CPU; all figures are CPU milliseconds")
        return 0
    run = Run(
        when=datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - shell: reads the clock
        machine=describe(),
        commit=_commit(),
        quick=arguments.quick,
        profiled=arguments.profile is not None,
    )
    if arguments.profile:
        arguments.profile.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - begin:6.1f} s  {line}", file=sys.stderr, flush=True)

    try:
        with tempfile.TemporaryDirectory(prefix="enclasp-bench-") as folder:
            figures = measure(QUICK if arguments.quick else FULL, Path(folder), say, arguments.profile)
    except (LoadFailed, CoordinatorFailed) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    tables = as_markdown(run, figures)
    print(tables)
    if not arguments.profile:
        arguments.results.mkdir(parents=True, exist_ok=True)
        document = json.dumps(as_json(run, figures), indent=1) + "\n"
        (arguments.results / "latest.json").write_text(document)
        (arguments.results / "latest.md").write_text(tables)
        (arguments.results / "latest.svg").write_text(draw(figures))
        say(f"written: latest.json, latest.md and latest.svg in {arguments.results}")
    return 0


def _commit() -> str:
    """Short name of the commit, empty outside of a Git checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
