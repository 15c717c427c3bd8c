"""Checks with the codes and hints of this room."""

from typing import Final

from attestation.checks import Steps
from attestation.nitro.codes import CODES

_STEPS: Final = Steps(CODES)
settled = _STEPS.settled
missing = _STEPS.missing
