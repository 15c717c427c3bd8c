"""The network namespace of a cluster: one bridge, no way out, addresses of the ranges for benchmarks (RFC 2544)."""

import subprocess

from tests.kubernetes.cluster.processes import quiet

NODE_ADDRESS = "198.18.0.1"
"""The bridge's own."""
POD_NETWORK = "198.18.0.0/24"
SERVICE_NETWORK = "198.19.0.0/16"
SERVICE_ADDRESS = "198.19.0.1"
"""Of the Service `kubernetes`."""
BRIDGE = "kube0"


def make(name: str) -> None:
    """The namespace, anew: a former run's may hold veth ends and firewall rules."""
    remove(name)
    subprocess.run(["ip", "netns", "add", name], check=True)
    for words in (
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {NODE_ADDRESS}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        # so that Service addresses leave a socket at all
        f"route add default dev {BRIDGE}",
    ):
        subprocess.run(["ip", "-n", name, *words.split()], check=True)
    quiet("nsenter", f"--net=/run/netns/{name}", "sysctl", "-qw", "net.ipv4.ip_forward=1")


def remove(name: str) -> None:
    """Whether it is there or not."""
    quiet("ip", "netns", "del", name)
