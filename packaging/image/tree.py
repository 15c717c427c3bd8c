"""What is in an image's file system: paths to files, links or bytes.  No owner, no time: only content counts."""

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class File:
    """Bytes at a path.  executable: mode 0755 instead of 0644."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Same:
    """The file at another path of this tree once more (a hard link: it takes no room)."""

    path: str


Entry: TypeAlias = File | Symlink | Same


@dataclass(slots=True)
class Tree:
    """Paths are absolute, with slashes; folders appear by themselves.  folders: further ones that are wanted: mode."""

    entries: dict[str, Entry] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)

    def put(self, path: str | PurePosixPath, content: bytes, *, executable: bool = False) -> None:
        """Bytes at a path."""
        self.entries[str(path)] = File(content, executable)

    def copy(self, source: Path, path: str | PurePosixPath) -> None:
        """A file of this machine; of a symbolic link, what it leads to."""
        self.put(path, source.read_bytes(), executable=os.access(source, os.X_OK))

    def copy_folder(self, source: Path, path: str | PurePosixPath, skip: frozenset[str] = frozenset()) -> None:
        """A folder of this machine without what is named in `skip`, caches and hidden files."""
        for child in sorted(source.iterdir()):
            if child.name in skip or child.name == "__pycache__" or child.name.startswith("."):
                continue
            target = PurePosixPath(path) / child.name
            if child.is_dir():
                self.copy_folder(child, target, skip)
            elif child.is_file():
                self.copy(child, target)

    def link(self, path: str, target: str) -> None:
        """A symbolic link at `path`."""
        self.entries[path] = Symlink(target)

    def again(self, path: str, same_as: str) -> None:
        """The file `same_as` at `path` too."""
        self.entries[path] = Same(same_as)

    def parents(self) -> dict[str, int]:
        """Every folder with its mode, those that contain something included."""
        found = dict(self.folders)
        for path in (*self.entries, *self.folders):
            for parent in PurePosixPath(path).parents:
                if str(parent) != "/":
                    found.setdefault(str(parent), 0o755)
        return dict(sorted(found.items()))
