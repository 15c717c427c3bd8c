"""Coordinators of other versions: copies of our own code with a change, which are other programs to every verifier."""

import shutil
from pathlib import Path

import attestation
import coordinator
import marble
import pki
from attestation.simulation.measure import measure_program

MARK = "version_of_a_test.py"
"""A file in coordinator/ that another version has."""
_PACKAGES = (attestation, coordinator, marble, pki)


def another_version(folder: Path, name: str, changes: tuple[tuple[str, str, str], ...] = ()) -> Path:
    """A folder with the packages of a version of this name.  changes: file in coordinator/, text, and its successor."""
    folder.mkdir()
    for package in _PACKAGES:
        ours = Path(package.__path__[0])
        if package is coordinator:
            shutil.copytree(ours, folder / ours.name)
        else:
            (folder / ours.name).symlink_to(ours)
    (folder / "coordinator" / MARK).write_text(f'"""{name}"""\n')
    for file, before, after in changes:
        path = folder / "coordinator" / file
        text = path.read_text()
        assert 1 == text.count(before), f"{file}: expected '{before}' once"
        path.write_text(text.replace(before, after))
    return folder


def mrtd(code: Path | None = None) -> str:
    """What TDX measures of a coordinator whose packages lie in this folder; None for our own."""
    if code is None:
        folders = [str(Path(package.__path__[0])) for package in _PACKAGES]
    else:
        folders = [str(code / package.__name__) for package in _PACKAGES]
    return measure_program(folders).mrtd.hex()
