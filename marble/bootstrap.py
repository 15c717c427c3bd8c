"""What a marble is told in measured init-data, in place of variables that the host could change at any time.

Three texts of an init-data document: ENTRY says which marble this is and where its coordinator is, REFERENCE (with
TRUST, on simulated hardware) says which coordinator to accept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

from attestation.init_data import InitData, InitDataInvalid, read_toml, toml_text
from marble.settings import (
    COORDINATOR_ADDRESS,
    COORDINATOR_COLLATERAL,
    COORDINATOR_REFERENCE,
    COORDINATOR_TRUST,
    TYPE,
    CoordinatorTrust,
    Given,
    Settings,
)

ENTRY: Final = "enclasp.toml"
REFERENCE: Final = "enclasp-reference.yaml"
TRUST: Final = "enclasp-trust.pem"
_KEYS: Final = frozenset({"coordinator", "type"})


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """coordinator: host:port.  reference, trust: texts of files, None where the document has none."""

    coordinator: str
    marble_type: str
    reference: Given | None = None
    trust: Given | None = None

    def settings(self, environ: Mapping[str, str]) -> Settings:
        """What the environment says, but for what the document says.  Raises SettingsInvalid.

        The collateral is still the host's to give: it is signed, and newer than any document.
        """
        told = {**environ, COORDINATOR_ADDRESS: self.coordinator, TYPE: self.marble_type}
        if self.reference is None:
            return Settings.from_environ(told)
        collateral = told.get(COORDINATOR_COLLATERAL)
        for name in (COORDINATOR_REFERENCE, COORDINATOR_TRUST, COORDINATOR_COLLATERAL):
            told.pop(name, None)
        trust = CoordinatorTrust(self.reference, self.trust, PurePath(collateral) if collateral else None)
        return replace(Settings.from_environ(told), coordinator_trust=trust)


def entry(coordinator: str, marble_type: str) -> dict[str, str]:
    """The text for a marble, by its name in the document."""
    return {ENTRY: f"coordinator = {toml_text(coordinator)}\ntype = {toml_text(marble_type)}\n"}


def read_bootstrap(init_data: InitData) -> Bootstrap | None:
    """What the document tells a marble; None if it is not for one.  Raises InitDataInvalid."""
    text = init_data.data.get(ENTRY)
    if text is None:
        return None
    told = read_toml(text, f"init-data: {ENTRY}")
    if told.keys() != _KEYS or not all(isinstance(value, str) for value in told.values()):
        raise InitDataInvalid(f"init-data: {ENTRY}: expected the texts {' and '.join(sorted(_KEYS))}, got others")
    reference, trust = (
        Given(name, init_data.data[name].encode()) if name in init_data.data else None for name in (REFERENCE, TRUST)
    )
    return Bootstrap(told["coordinator"], told["type"], reference, trust)
