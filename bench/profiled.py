"""The coordinator under a profiler that counts CPU time: `python -m bench.profiled STATISTICS ARGUMENTS…`.

Of the main thread only, where the event loop runs; waiting costs nothing here, unlike under `python -m cProfile`.
"""

import cProfile
import sys
import time


def main() -> None:
    """Run the `enclasp` command line with the arguments; write the statistics when it ends, however it ends."""
    statistics, sys.argv = sys.argv[1], ["enclasp", *sys.argv[2:]]
    profile = cProfile.Profile(time.thread_time)
    try:
        profile.runcall(_enclasp)
    finally:
        profile.dump_stats(statistics)


def _enclasp() -> None:
    from coordinator.cli.main import main as enclasp

    enclasp()


if __name__ == "__main__":
    main()
