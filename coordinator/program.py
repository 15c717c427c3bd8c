"""Which program a coordinator is: the four packages whose code decides."""

from pathlib import Path

import attestation
import coordinator
import marble
import pki


def own_program() -> tuple[str, ...]:
    """Folders of the code, as a simulated environment measures it."""
    return tuple(str(Path(package.__path__[0])) for package in (attestation, coordinator, marble, pki))
