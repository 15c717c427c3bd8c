"""What a simulated machine measures of a program: the same rule in the launcher and in `enclasp simulate measure`.

Measured is, in the order of the command line, the content of every element that names a regular file, and of every
*.py file below an element that names a folder (with its path inside the folder).  A leading interpreter is left out,
since it differs from machine to machine; a leading command without a slash is looked up in PATH.  Arguments that
name no file are not measured: they are the host's to choose, as on hardware.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256, sha384
from os.path import isdir, isfile  # unlike pathlib's, they answer for any text
from pathlib import Path
from typing import Final

_INTERPRETER: Final = re.compile(r"(python[0-9.]*|sh|bash|dash)")


@dataclass(frozen=True, slots=True)
class ProgramMeasurement:
    """mrtd: 48 bytes; each platform's own measurement is made from it.

    mrsigner: 32 bytes, the same for every simulated program.
    host_data: what the host gave at launch, of any length; TDX, SEV-SNP and CCA hold it.
    """

    mrtd: bytes
    host_data: bytes = b""

    @property
    def mrenclave(self) -> bytes:
        """SGX: 32 bytes."""
        return sha256(self.mrtd).digest()

    @property
    def mrsigner(self) -> bytes:
        """SGX: 32 bytes."""
        return SIMULATED_SIGNER

    @property
    def measurement(self) -> bytes:
        """SEV-SNP's launch measurement: 48 bytes."""
        return sha384(b"sev-snp" + self.mrtd).digest()

    @property
    def pcr0(self) -> bytes:
        """Nitro: 48 bytes."""
        return sha384(b"nitro" + self.mrtd).digest()

    @property
    def nitro_pcrs(self) -> dict[int, bytes]:
        """Nitro: the program's register, and a kernel's that is always the same; all zero would mean debug mode."""
        kernel = sha384(b"simulated kernel").digest()
        return {0: self.pcr0, 1: kernel, 2: kernel}

    @property
    def rim(self) -> bytes:
        """Arm CCA's realm initial measurement: 32 bytes."""
        return sha256(b"cca" + self.mrtd).digest()

    @property
    def pcr11(self) -> bytes:
        """Azure's vTPM, where systemd-stub measures an image: 32 bytes."""
        return sha256(b"azure-vtpm" + self.mrtd).digest()


SIMULATED_SIGNER: Final = sha256(b"enclasp simulated signer").digest()


def measure_program(program: Sequence[str]) -> ProgramMeasurement:
    """Measure a command line.  Raises OSError if a file in it cannot be read."""
    listing = sha384(b"enclasp simulated measurement v1")
    for name, content in _files(program):
        encoded = name.encode()
        listing.update(len(encoded).to_bytes(4, "big") + encoded + sha384(content).digest())
    return ProgramMeasurement(listing.digest())


def _files(program: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(path inside its folder, or empty; content) of everything that is measured."""
    for position, element in enumerate(program):
        if position == 0:
            if _INTERPRETER.fullmatch(Path(element).name):
                continue
            element = element if "/" in element else shutil.which(element) or element
        if isdir(element):
            folder = Path(element)
            for file in sorted(folder.rglob("*.py")):
                yield file.relative_to(folder).as_posix(), file.read_bytes()
        elif isfile(element):
            yield "", Path(element).read_bytes()
