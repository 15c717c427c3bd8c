"""The manifest that both companies agree on: manifest.yaml with their certificates pasted in.

By hand: `python -m examples.common_customers.agree FOLDER` reads FOLDER/NAME/NAME.certificate.pem of both, and writes
FOLDER/agreed.yaml.
"""

import sys
import textwrap
from pathlib import Path
from typing import Final

from examples.common_customers.processes import StepFailed

_HERE: Final = Path(__file__).parent
COMPANIES: Final = ("alice", "bob")


def agreed_text(folder: Path) -> str:
    """The manifest.  folder: where `company keys` wrote.  Raises StepFailed if a place to paste is not there once."""
    text = (_HERE / "manifest.yaml").read_text(encoding="utf-8")
    for name in COMPANIES:
        marker = f"          PUT THE CERTIFICATE OF {name} HERE\n"
        if text.count(marker) != 1:
            raise StepFailed(f"manifest.yaml: expected one line {marker.strip()!r}, got {text.count(marker)}")
        certificate = (folder / name / f"{name}.certificate.pem").read_text(encoding="ascii")
        text = text.replace(marker, textwrap.indent(certificate, " " * 10))
    return text


if __name__ == "__main__":
    target = Path(sys.argv[1]) / "agreed.yaml"
    target.write_text(agreed_text(Path(sys.argv[1])), encoding="utf-8")
    print(f"{target}: the manifest for both companies to read and agree on")
