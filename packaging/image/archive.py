"""A tree as an OCI image archive: the same tree gives the same bytes, on any machine and at any time.

`ctr images import`, `podman load` and `skopeo copy oci-archive:` read it.
Source: OCI Image Format Specification 1.1, image-layout.md, manifest.md, config.md.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tree import Entry, File, Same, Symlink, Tree


@dataclass(frozen=True, slots=True)
class Configuration:
    """How a container of the image starts.  user: UID:GID.  architecture: as Go calls it (amd64, arm64)."""

    entrypoint: Sequence[str]
    environ: Sequence[str]
    user: str
    architecture: str
    labels: dict[str, str]


def layer(tree: Tree) -> bytes:
    """The tree as an uncompressed tar: sorted, no times, owned by root; hard links stand last."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder, mode in tree.parents().items():
            _add(tar, folder, tarfile.DIRTYPE, mode)
        late = [(path, entry) for path, entry in sorted(tree.entries.items()) if isinstance(entry, Same)]
        for path, entry in [pair for pair in sorted(tree.entries.items()) if not isinstance(pair[1], Same)] + late:
            _add_entry(tar, tree, path, entry)
    return buffer.getvalue()


def _add_entry(tar: tarfile.TarFile, tree: Tree, path: str, entry: Entry) -> None:
    match entry:
        case File(content, executable):
            _add(tar, path, tarfile.REGTYPE, 0o755 if executable else 0o644, content)
        case Symlink(target):
            _add(tar, path, tarfile.SYMTYPE, 0o777, link=target)
        case Same(target):
            first = tree.entries[target]
            mode = 0o755 if isinstance(first, File) and first.executable else 0o644
            _add(tar, path, tarfile.LNKTYPE, mode, link=target.lstrip("/"))


def _add(tar: tarfile.TarFile, path: str, kind: bytes, mode: int, content: bytes = b"", link: str = "") -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.type, info.mode, info.size, info.linkname = kind, mode, len(content), link
    tar.addfile(info, io.BytesIO(content))


def image(tree: Tree, name: str, configuration: Configuration) -> tuple[bytes, str]:
    """The archive, and the image's digest.  name: REPOSITORY:TAG."""
    content = layer(tree)
    config = _json(
        {
            "architecture": configuration.architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [_digest(content)]},
            "config": {
                "Entrypoint": list(configuration.entrypoint),
                "Env": list(configuration.environ),
                "User": configuration.user,
                "WorkingDir": "/",
                "Labels": configuration.labels,
            },
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("config.v1+json", config),
            "layers": [_descriptor("layer.v1.tar", content)],
        }
    )
    described = _descriptor("manifest.v1+json", manifest)
    index = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {
                    **described,
                    "platform": {"architecture": configuration.architecture, "os": "linux"},
                    "annotations": {
                        "io.containerd.image.name": name,
                        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                    },
                }
            ],
        }
    )
    members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
    members |= {f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}": blob for blob in (content, config, manifest)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, blob in sorted(members.items()):
            _add(tar, path, tarfile.REGTYPE, 0o644, blob)
    return buffer.getvalue(), described["digest"]


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": _digest(blob), "size": len(blob)}
