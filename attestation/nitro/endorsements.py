"""What Nitro needs besides the document: nothing.  Its certificates are in it, and AWS publishes no patch levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attestation.errors import EndorsementFormatError

BUNDLE_KEY: Final = "nitro"


@dataclass(frozen=True, slots=True)
class NitroEndorsements:
    """Always empty; here so that every room has the same doors."""

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> "NitroEndorsements":
        """Nothing is read: a `root.der` beside a document is not believed, since roots are built in."""
        return NitroEndorsements()

    @staticmethod
    def from_json(items: object) -> "NitroEndorsements":
        """The bundle's list for Nitro.  Raises EndorsementFormatError for anything but an empty one."""
        if items != []:
            raise EndorsementFormatError(f"collateral /{BUNDLE_KEY}: expected an empty list, got {items!r:.40}")
        return NitroEndorsements()

    def to_json(self) -> list[object]:
        """The bundle's list for Nitro."""
        return []
