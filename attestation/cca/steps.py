"""Checks with the codes and hints of this room."""

from typing import Final

from attestation.cca.codes import CODES
from attestation.checks import Steps

_STEPS: Final = Steps(CODES)
settled = _STEPS.settled
missing = _STEPS.missing
