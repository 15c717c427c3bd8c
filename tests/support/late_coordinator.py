"""A development coordinator whose clock is behind, so that what it signs ends sooner.  Arguments: folder, seconds."""

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from coordinator.config import load
from coordinator.dev import prepare
from coordinator.machine import read_clock
from coordinator.run import serve

if __name__ == "__main__":
    folder, seconds = sys.argv[1:]
    late = timedelta(seconds=float(seconds))

    def clock() -> datetime:
        return read_clock() - late

    environ = prepare(Path(folder), os.environ)
    sys.exit(serve(load(None, environ), environ, clock))
