"""A development coordinator whose front door loses patience sooner.  Arguments: folder, request and idle seconds."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from coordinator.config import load
from coordinator.dev import prepare
from coordinator.limits import RestLimits
from coordinator.run import serve

if __name__ == "__main__":
    folder, request_seconds, idle_seconds = sys.argv[1:]
    environ = prepare(Path(folder), os.environ)
    limits = RestLimits(request_seconds=float(request_seconds), idle_seconds=float(idle_seconds), answer_seconds=2.0)
    sys.exit(serve(replace(load(None, environ), limits=limits), environ))
