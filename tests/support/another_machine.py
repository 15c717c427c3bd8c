"""Another machine of the same simulated vendor: its evidence is as good, its sealing key is another."""

import json
import shutil
from pathlib import Path


def another_machine(simulation: Path, copy: Path) -> Path:
    """Make the vendor's folder `copy` of the folder `simulation`; returns it."""
    shutil.copytree(simulation, copy)
    sealing = copy / "sealing.private.json"
    sealing.write_text(json.dumps(json.loads(sealing.read_text()) | {"seal_secret": "5a" * 32}))
    return copy
