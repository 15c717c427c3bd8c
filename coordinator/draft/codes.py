"""The messages about drafts: code to title and hint."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "U550": ("reference values are for no service", "write --reference SERVICE=FILE"),
}
