"""Where everything of the demo is, and what is typed there."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from examples.common_customers.agree import agreed_text

HERE: Final = Path(__file__).parent
ENCLASP: Final = (sys.executable, "-m", "coordinator.cli.main")
COMPANY: Final = (sys.executable, "-m", "examples.common_customers.company")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens on loopback."""

    clients: int
    mesh: int
    intersection: int
    receipts: int


@dataclass(frozen=True, slots=True)
class Stage:
    """Paths, addresses and commands.  folder: everything that is written."""

    folder: Path
    ports: Ports

    @property
    def endpoint(self) -> str:
        """The coordinator's client door."""
        return f"127.0.0.1:{self.ports.clients}"

    @property
    def door(self) -> str:
        """Where the companies talk to the marble `intersection`."""
        return f"127.0.0.1:{self.ports.intersection}"

    @property
    def coordinator(self) -> Path:
        """The coordinator's folder."""
        return self.folder / "coordinator"

    @property
    def simulation(self) -> Path:
        """The simulated vendor's folder."""
        return self.coordinator / "simulation"

    @property
    def reference(self) -> Path:
        """The coordinator's reference values."""
        return self.coordinator / "reference.yaml"

    @property
    def agreed(self) -> Path:
        """The manifest that both companies agreed on."""
        return self.folder / "agreed.yaml"

    @property
    def marbles_reference(self) -> Path:
        """The coordinator's reference values once more, as JSON: marbles verify it too before they join."""
        return self.folder / "reference.json"

    @property
    def receipts_folder(self) -> Path:
        """Where the host keeps sealed receipts."""
        return self.folder / "receipts"

    @property
    def references(self) -> tuple[str, ...]:
        """What a verifier knows beforehand, as flags: the coordinator's reference values, the root, the collateral."""
        return (
            *("--reference", str(self.reference)),
            *("--trust", str(self.simulation / "trust.pem")),
            *("--collateral", str(self.simulation / "collateral.json")),
        )

    def root(self, company: str) -> Path:
        """Where a company keeps the root certificate that it has verified."""
        return self.folder / f"{company}.root.pem"

    def agreed_text(self) -> str:
        """The example's manifest with the companies' certificates pasted in."""
        return agreed_text(self.folder)

    def take_part(self, name: str, address: str) -> tuple[str, ...]:
        """What a company types to take part in the run at `address`."""
        return (
            *(*COMPANY, "take-part", address, "--root", str(self.root(name))),
            *("--identity", str(self.folder / name / name), "--out", str(self.folder / f"{name}.common")),
            str(self.folder / f"{name}.csv"),
        )

    def marble_command(self, marble_type: str, program: Path) -> tuple[str, ...]:
        """What the operator types to run a program as a marble."""
        return (*ENCLASP, "marble", "run", "--type", marble_type, "--", sys.executable, str(program))

    def marble_environ(self, name: str, platform: str) -> dict[str, str]:
        """What the host tells a marble: where things are.  None of it is trusted."""
        return {
            "EDG_MARBLE_COORDINATOR_ADDR": f"127.0.0.1:{self.ports.mesh}",
            "EDG_MARBLE_UUID_FILE": str(self.folder / f"{name}.uuid"),
            "ENCLASP_COORDINATOR_REFERENCE": str(self.marbles_reference),
            "ENCLASP_COORDINATOR_TRUST": str(self.simulation / "trust.pem"),
            "ENCLASP_COORDINATOR_COLLATERAL": str(self.simulation / "collateral.json"),
            "ENCLASP_SIMULATION": str(self.simulation),
            "ENCLASP_SIMULATION_KIND": platform,
            "INTERSECTION_ADDRESS": self.door,
            "RECEIPTS_ADDRESS": f"localhost:{self.ports.receipts}",
            "RECEIPTS_FOLDER": str(self.receipts_folder),
        }
