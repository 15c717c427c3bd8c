"""Checks with the codes and hints of this room."""

from attestation.azure_vtpm.codes import hint
from attestation.checks import Check, failed, not_checked, passed


def settled(holds: bool, name: str, expected: str, found: str, source: str, code: str) -> Check:
    """Passed or failed, by `holds`; a failed one carries the code and its hint."""
    if holds:
        return passed(name, expected, found, source)
    return failed(name, expected, found, source, hint(code), code)


def missing(name: str, expected: str, found: str, source: str, code: str) -> Check:
    """Not checked, with the code and its hint."""
    return not_checked(name, expected, found, source, hint(code), code)
