"""Build a container image from this environment: no daemon, no registry, no base image; the same bytes every time.

    python packaging/image/build.py --output enclasp.tar [--name localhost/enclasp:0.1.0] [--sbom enclasp.cdx.json]
    python packaging/image/build.py --output app.tar --name localhost/app:1 --extra grpc --add examples:/app/examples
    python packaging/image/build.py --output pause.tar --name localhost/pause:1 --bare --add bin/pause:/pause -- /pause

The image holds this machine's Python, what `enclasp[coordinator]` needs as it is locked, and the shared libraries of
both.  In /opt/enclasp-marble is the launcher that an admission webhook lays into other images.  Prints the image's
name with its digest.
"""

import argparse
import os
import sys
import tomllib
from pathlib import Path

from archive import Configuration, image
from bill import bill_of_materials
from interpreter import (
    PREFIX,
    PROGRAM,
    SITE_PACKAGES,
    add_distribution,
    add_interpreter,
    add_launcher,
    add_shared_libraries,
    closure,
    compile_modules,
)
from packaging.requirements import Requirement
from tree import Tree

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("attestation", "coordinator", "marble", "pki", "manifests")
USER = "65532:65532"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_COMMAND = f"#!{PROGRAM} -I\nimport sys\nfrom coordinator.cli.main import main\nsys.exit(main())\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="localhost/enclasp:0.1.0", help="REPOSITORY:TAG")
    parser.add_argument("--output", type=Path, required=True, help="the OCI archive")
    parser.add_argument("--sbom", type=Path, help="write the bill of materials here (CycloneDX)")
    parser.add_argument("--extra", action="append", default=["coordinator"], help="a further extra of enclasp")
    parser.add_argument("--add", action="append", default=[], metavar="SOURCE:TARGET", help="a file or folder of yours")
    parser.add_argument("--bare", action="store_true", help="no Python: only what --add names")
    parser.add_argument("entrypoint", nargs="*", default=["/usr/local/bin/enclasp"])
    chosen = parser.parse_args()

    tree = _base()
    distributions: dict = {}
    libraries: list[Path] = []
    for pair in chosen.add:
        source, _, target = pair.partition(":")
        copy = tree.copy_folder if Path(source).is_dir() else tree.copy
        copy(Path(source), target)
    if not chosen.bare:
        distributions = closure([Requirement(f"enclasp[{','.join(chosen.extra)}]")])
        libraries = _add_product(tree, distributions)
    configuration = Configuration(
        entrypoint=chosen.entrypoint,
        environ=("PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED=1"),
        user=USER,
        architecture=_ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        labels={"org.opencontainers.image.title": chosen.name.rpartition(":")[0].rpartition("/")[2]},
    )
    archive, digest = image(tree, chosen.name, configuration)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_bytes(archive)
    if chosen.sbom:
        chosen.sbom.write_bytes(bill_of_materials(chosen.name, digest, distributions, libraries))
    print(f"{chosen.name}@{digest}")
    print(f"{chosen.output}: {len(archive) // 1_000_000} MB, {len(distributions)} distributions", file=sys.stderr)


def _base() -> Tree:
    tree = Tree(folders={"/tmp": 0o1777, "/proc": 0o755, "/sys": 0o755, "/dev": 0o755, "/run": 0o755, "/var": 0o755})
    tree.put("/etc/passwd", b"root:x:0:0::/:/sbin/nologin\nenclasp:x:65532:65532::/tmp:/sbin/nologin\n")
    tree.put("/etc/group", b"root:x:0:\nenclasp:x:65532:\n")
    tree.put("/etc/nsswitch.conf", b"hosts: files dns\n")
    return tree


def _add_product(tree: Tree, distributions: dict) -> list[Path]:
    """Everything of Enclasp; returns the files of this machine that are its shared libraries."""
    add_interpreter(tree)
    for distribution in distributions.values():
        add_distribution(tree, distribution)
    for package in PACKAGES:
        tree.copy_folder(ROOT / package, SITE_PACKAGES / package)
    tree.put(PREFIX / "bin" / "enclasp", _COMMAND.encode(), executable=True)
    libraries = add_shared_libraries(tree)
    compile_modules(tree)
    marble = tomllib.loads((ROOT / "packaging" / "marble" / "pyproject.toml").read_text())
    needed = closure([Requirement(text) for text in marble["project"]["dependencies"]])
    add_launcher(tree, libraries, list(needed.values()))
    return [library.source for library in libraries.values()]


if __name__ == "__main__":
    main()
