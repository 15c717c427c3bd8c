"""What changes about the programs that may have the Coordinator's state; in words."""

from collections.abc import Iterator

from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.model import Manifest
from coordinator.manifest.proof import proof


def coordinator_changes(before: Manifest, after: Manifest) -> Iterator[Change]:
    """Packages that are accepted as coordinators, or not any more; what changes in a package stands there."""
    old, new = before.config.coordinators, after.config.coordinators
    for name in dict.fromkeys((*new, *old)):
        if name not in old:
            meaning = f'another program may have the root key and all secrets: coordinator "{name}"'
            yield Change(Gravity.WIDENS, _PATH, meaning)
        elif name not in new:
            meaning = f'coordinator "{name}" gets the state no more; the root key and secrets that it had, it knows'
            yield Change(Gravity.NARROWS, _PATH, meaning)


def who_coordinates(manifest: Manifest) -> Iterator[str]:
    """Sentences."""
    if not manifest.config.coordinators:
        yield "the coordinator's state is handed over to other instances of the same program only"
    for name in manifest.config.coordinators:
        proofs = "; or ".join(map(proof, manifest.packages[name].alternatives))
        yield f"the root key and all secrets may be had by any coordinator that is package {name}: {proofs}"


_PATH = "/Config/Coordinators"
