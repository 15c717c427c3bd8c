"""Can this machine have a cluster?  Tried, not guessed, before anything is built for it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kubernetes.cluster.processes import quiet

PROGRAMS = ("runc", "nft", "iptables", "ip", "nsenter", "ldd", "mount")
MEMORY_MIB = 3000
"""A control plane, a node, and the pods of the tests."""
DISK_MIB = 5000
"""Images, unpacked and not, of programs under test."""
_PACKAGES = "runc containernetworking-plugins nftables iptables iproute2"


class Refused(Exception):
    """The machine does not let us do something; the text says what, and what it answered."""


def obstacle(folder: Path) -> str | None:
    """Why no cluster can be started here, in a sentence; None if nothing stands against it.

    folder: where the cluster will be; made, if it is not there.
    """
    if os.geteuid() != 0:
        return "a cluster needs root, for its network namespace and its containers"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"the machine has no {', '.join(missing)}; on Debian 12: apt install {_PACKAGES}"
    if plugins() is None:
        return "the machine has no CNI plugins; on Debian 12: apt install containernetworking-plugins"
    if (free := _available_mib()) < MEMORY_MIB:
        return f"a cluster needs {MEMORY_MIB} MiB of memory, and {free} MiB are free"
    folder.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder).free >> 20) < DISK_MIB:
        return f"a cluster needs {DISK_MIB} MiB of disk, and {folder} has {free} MiB"
    try:
        _try_network()
        _try_overlay(folder)
        _try_control_group()
    except Refused as refused:
        return str(refused)
    return None


def plugins() -> Path | None:
    """Where the CNI plugins are."""
    places = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
    return next((place for place in places if (place / "bridge").exists()), None)


def control_group_roots() -> list[Path]:
    """Of version 2, or of each controller of version 1."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [each for each in root.iterdir() if each.is_dir() and not each.is_symlink() and each.name != "unified"]


def _try_network() -> None:
    name = f"enclasp-try-{os.getpid()}"
    with _undone("ip", "netns", "del", name):
        _do("a network namespace cannot be made", "ip", "netns", "add", name)
        for kind in (("bridge",), ("veth", "peer", "name", "other")):
            words = ["ip", "-n", name, "link", "add", "try-" + kind[0], "type", *kind]
            _do(f"no {kind[0]} device can be made in a network namespace", *words)
        _do("nftables does not work", "nsenter", f"--net=/run/netns/{name}", "nft", "add", "table", "ip", "try")


def _try_overlay(folder: Path) -> None:
    place = folder / f"try-{os.getpid()}"
    lower, upper, work, merged = (place / name for name in ("lower", "upper", "work", "merged"))
    for each in (lower, upper, work, merged):
        each.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    try:
        with _undone("umount", merged):
            _do(f"overlayfs cannot be mounted in {folder}", "mount", "-t", "overlay", "none", "-o", options, merged)
    finally:
        shutil.rmtree(place)


def _try_control_group() -> None:
    for root in control_group_roots():
        group = root / f"enclasp-try-{os.getpid()}"
        try:
            group.mkdir()
            group.rmdir()
        except OSError as cause:
            raise Refused(f"no control group can be made in {root}: {cause.strerror}") from cause


def _do(what: str, *command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{what}: {done.stderr.strip()}")


@contextmanager
def _undone(*command: object) -> Iterator[None]:
    try:
        yield
    finally:
        quiet(*command)


def _available_mib() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))
