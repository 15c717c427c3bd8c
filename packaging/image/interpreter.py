"""This machine's Python in a tree: interpreter, standard library, distributions, and the shared libraries of all.

Everything stands at fixed paths (/usr/local), whatever this machine's are.  Modules are compiled, since a container's
root file system is read-only and each start would compile them anew; the compiled files say that they need no check.
"""

import importlib._bootstrap_external as bootstrap
import importlib.metadata as metadata
import importlib.util
import site
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tree import File, Tree

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
PREFIX = PurePosixPath("/usr/local")
PROGRAM = PREFIX / "bin" / VERSION
LIBRARY = PREFIX / "lib" / VERSION
SITE_PACKAGES = LIBRARY / ("dist-packages" if "dist-packages" in str(site.getsitepackages(["/"])) else "site-packages")
"""Where this interpreter looks for distributions: Debian's looks elsewhere."""
LAUNCHER = PurePosixPath("/opt/enclasp-marble")
"""What makes a marble of any image: interpreter, libraries and the marble's packages, movable to any folder."""

_LEFT_OUT = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo"}
    | {"ensurepip", "lib2to3", "pydoc_data"}
)
_EXTENSIONS_LEFT_OUT = ("_tkinter.", "_curses", "readline.", "nis.", "_test", "_xxtestfuzz.", "xxlimited")
"""Windows, terminals and tests: they would bring a dozen libraries that nothing here calls."""
_FOR_COMPILERS = frozenset({".c", ".cpp", ".h", ".pxd", ".pyx"})
_MADE_BY_INSTALLERS = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


def closure(roots: Iterable[Requirement]) -> dict[str, metadata.Distribution]:
    """These distributions and all that they need, by name, as they are installed in this environment."""
    found: dict[str, metadata.Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = list(roots)
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        distribution = found.setdefault(name, metadata.distribution(wanted.name))
        for extra in ("", *wanted.extras):
            if (name, extra) in done:
                continue
            done.add((name, extra))
            environment = {**default_environment(), "extra": extra}
            for text in distribution.requires or ():
                requirement = Requirement(text)
                if requirement.marker is None or requirement.marker.evaluate(environment):
                    waiting.append(requirement)
    return dict(sorted(found.items()))


def add_interpreter(tree: Tree) -> None:
    """The interpreter and its standard library, without tests, editors and build files."""
    base = Path(sys.base_prefix).resolve()
    tree.copy(Path(sys.executable).resolve(), PROGRAM)
    tree.link(str(PREFIX / "bin" / "python3"), VERSION)
    skip = {path.name for path in (base / "lib" / VERSION).iterdir() if path.name.startswith(("config-", "_sysconfig"))}
    extensions = base / "lib" / VERSION / "lib-dynload"
    skip |= {path.name for path in extensions.iterdir() if path.name.startswith(_EXTENSIONS_LEFT_OUT)}
    tree.copy_folder(base / "lib" / VERSION, LIBRARY, _LEFT_OUT | skip)


def add_distribution(tree: Tree, distribution: metadata.Distribution) -> None:
    """The files of an installed distribution; what an installer added (records, scripts) stays out."""
    for file in distribution.files or ():
        if ".." in file.parts or "__pycache__" in file.parts or file.name in _MADE_BY_INSTALLERS:
            continue
        if file.suffix in _FOR_COMPILERS:
            continue
        if file.suffix != ".pth" and not file.name.startswith("_editable_impl"):
            tree.copy(Path(str(file.locate())), SITE_PACKAGES / file)


def compile_modules(tree: Tree) -> None:
    """Add the compiled form of every module, never to be checked against its source (PEP 552, unchecked)."""
    for path, entry in sorted(tree.entries.items()):
        if path.endswith(".py") and isinstance(entry, File) and path.startswith(str(LIBRARY)):
            code = bootstrap.SourceFileLoader("", path).source_to_code(entry.content, path)
            stamp = importlib.util.source_hash(entry.content)
            compiled = bootstrap._code_to_hash_pyc(code, stamp, False)
            cached = PurePosixPath(path)
            tree.put(cached.parent / "__pycache__" / f"{cached.stem}.{sys.implementation.cache_tag}.pyc", compiled)


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library: source on this machine, path in the tree."""

    source: Path
    path: str


def add_shared_libraries(tree: Tree) -> dict[str, Library]:
    """What the interpreter and its extensions link to; a library of a folder of this machine goes beside the system's.

    Returns them by name, the loader with its full name.
    """
    programs = [Path(sys.executable).resolve(), *_extensions(tree)]
    found: dict[str, Path] = {}
    for program in programs:
        found |= dict(_linked(program))
    for name in ("libnss_files.so.2", "libnss_dns.so.2"):
        if (Path(found["libc.so.6"]).parent / name).exists():
            found[name] = Path(found["libc.so.6"]).parent / name
    system = found["libc.so.6"].parent
    placed = {}
    for name, path in sorted(found.items()):
        usual = path.parent == system or name.startswith("ld-linux")
        placed[name] = Library(path, str(path if usual else system / name))
        tree.copy(path, placed[name].path)
    return placed


def _extensions(tree: Tree) -> Iterator[Path]:
    base = Path(sys.base_prefix).resolve() / "lib" / VERSION
    own = Path(sys.prefix) / "lib" / VERSION / "site-packages"
    for path in sorted(tree.entries):
        if ".so" in PurePosixPath(path).suffixes:
            inside = PurePosixPath(path).is_relative_to(SITE_PACKAGES)
            root, below = (own, SITE_PACKAGES) if inside else (base, LIBRARY)
            yield root / PurePosixPath(path).relative_to(below)


def _linked(program: Path) -> Iterator[tuple[str, Path]]:
    listing = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        words = line.split()
        place = next((word for word in words if word.startswith("/")), "")
        if place:
            yield Path(words[0]).name, Path(place)


def add_launcher(tree: Tree, libraries: dict[str, Library], distributions: Sequence[metadata.Distribution]) -> None:
    """The marble's launcher as a folder that runs wherever it is copied to: hard links, so it takes no room."""
    packages = {file.parts[0] for each in distributions for file in each.files or () if ".." not in file.parts}
    packages |= {"attestation", "marble", "pki"}
    for path in sorted(tree.entries):
        place = PurePosixPath(path)
        if place.is_relative_to(SITE_PACKAGES) and place.relative_to(SITE_PACKAGES).parts[0] not in packages:
            continue
        if place.is_relative_to(LIBRARY) or place == PROGRAM:
            tree.again(str(LAUNCHER / place.relative_to(PREFIX)), path)
    for name, library in libraries.items():
        folder = LAUNCHER if name.startswith("ld-linux") else LAUNCHER / "lib"
        tree.again(str(folder / ("loader" if name.startswith("ld-linux") else name)), library.path)
    tree.link(str(LAUNCHER / "bin" / "python3"), VERSION)
