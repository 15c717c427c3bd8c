"""All targets by name."""

from collections.abc import Mapping
from typing import Final

from tests.fuzz import attestation_targets, coordinator_targets
from tests.fuzz.target import Target

TARGETS: Final[Mapping[str, Target]] = {
    target.name: target for target in (*attestation_targets.TARGETS, *coordinator_targets.TARGETS)
}
