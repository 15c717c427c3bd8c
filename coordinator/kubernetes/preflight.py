"""What does a cluster have, and what is missing for a platform?  The API's objects in, checks out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

OLDEST: Final = (1, 29)
"""The oldest minor version of Kubernetes that the chart is for."""
SGX_RESOURCES: Final = (
    "sgx.intel.com/epc",
    "kubernetes.azure.com/sgx_epc_mem_in_MiB",
    "alibabacloud.com/sgx_epc_MiB",
)
_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "tdx": ("feature.node.kubernetes.io/cpu-security.tdx.enabled", "intel.feature.node.kubernetes.io/tdx"),
    "sev-snp": ("feature.node.kubernetes.io/cpu-security.sev.snp.enabled", "amd.feature.node.kubernetes.io/snp"),
}
"""What Node Feature Discovery says of a node that can start such virtual machines."""
NITRO_RESOURCE: Final = "aws.ec2.nitro/nitro_enclaves"
_HOW_TO_GET: Final[Mapping[str, str]] = {
    "sgx": "take machines with SGX and its protected memory (EPC) enabled in the firmware, and install Node Feature "
    "Discovery and Intel's SGX device plugin (helm charts of intel-device-plugins-for-kubernetes); on Azure DCsv3 "
    "nodes with the add-on confcom, on Alibaba ack-sgx-device-plugin",
    "tdx": "take machines with TDX enabled in firmware and host kernel, and install Node Feature Discovery, which says "
    "so in labels",
    "sev-snp": "take machines with SEV-SNP enabled in firmware and host kernel, and install Node Feature Discovery, "
    "which says so in labels",
    "nitro": "take EC2 machines that were started with enclaves enabled, and install AWS's Nitro Enclaves device "
    "plugin",
}
RUNTIME_CLASSES: Final[Mapping[str, str]] = {"tdx": "kata-qemu-tdx", "sev-snp": "kata-qemu-snp"}
SIMULATED: Final = "simulated"
PLATFORMS: Final = (SIMULATED, "sgx", "tdx", "sev-snp", "nitro")
RIGHTS: Final = (
    ("create", "namespaces"),
    ("create", "clusterroles.rbac.authorization.k8s.io"),
    ("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """name: what was looked at.  passed: whether it is as expected.  hint: what to do if it is not."""

    name: str
    passed: bool
    expected: str
    found: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        """Stable keys, those of a verdict's checks."""
        status = "passed" if self.passed else "failed"
        return {
            "name": self.name,
            "status": status,
            "expected": self.expected,
            "found": self.found,
            "hint": "" if self.passed else self.hint,
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """version: as the server names it.  nodes, runtime_classes, storage_classes: objects.  rights: what is allowed."""

    version: str
    nodes: Sequence[Mapping[str, Any]]
    runtime_classes: Sequence[Mapping[str, Any]]
    storage_classes: Sequence[Mapping[str, Any]]
    rights: Mapping[tuple[str, str], bool]


def platforms_of(node: Mapping[str, Any]) -> tuple[str, ...]:
    """For which platforms a node has the hardware, as far as its resources and labels say."""
    labels, amounts = node["metadata"].get("labels") or {}, node.get("status", {}).get("allocatable") or {}
    found = [name for name, flags in _LABELS.items() if any(labels.get(flag) in ("true", "present") for flag in flags)]
    if any(amounts.get(resource, "0") != "0" for resource in SGX_RESOURCES):
        found.insert(0, "sgx")
    if amounts.get(NITRO_RESOURCE, "0") != "0":
        found.append("nitro")
    return tuple(found)


def sgx_resource(facts: Facts) -> str:
    """The resource by which this cluster's nodes offer SGX; Intel's where none does."""
    offered = {name for node in facts.nodes for name in node.get("status", {}).get("allocatable") or {}}
    return next((resource for resource in SGX_RESOURCES if resource in offered), SGX_RESOURCES[0])


def environments(facts: Facts) -> Mapping[str, tuple[Check, ...]]:
    """For each platform what its hardware needs of the cluster."""
    return {platform: _hardware(facts, platform) for platform in PLATFORMS}


def preflight(facts: Facts, platform: str, *, persistence: bool) -> tuple[Check, ...]:
    """Everything that has to hold before an installation for `platform`.  persistence: the state wants a volume."""
    return (_version(facts.version), *_rights(facts), *_hardware(facts, platform), *_storage(facts, persistence))


def _version(text: str) -> Check:
    match = re.match(r"v(\d+)\.(\d+)", text)
    recent = match is not None and (int(match[1]), int(match[2])) >= OLDEST
    oldest = f"{OLDEST[0]}.{OLDEST[1]}"
    return Check("kubernetes", recent, f"{oldest} or newer", text or "?", f"upgrade the cluster to {oldest} or newer")


def _rights(facts: Facts) -> tuple[Check, ...]:
    return tuple(
        Check(
            f"right to {verb} {resource.partition('.')[0]}",
            facts.rights.get((verb, resource), False),
            "yes",
            "yes" if facts.rights.get((verb, resource)) else "no",
            "install as a cluster administrator; afterwards nobody needs these rights",
        )
        for verb, resource in RIGHTS
    )


def _hardware(facts: Facts, platform: str) -> tuple[Check, ...]:
    if platform == SIMULATED:
        return ()
    able = [node["metadata"]["name"] for node in facts.nodes if platform in platforms_of(node)]
    found = ", ".join(able) or "none"
    checks = [Check(f"nodes with {platform}", bool(able), "1 or more", found, _HOW_TO_GET[platform])]
    if (wanted := RUNTIME_CLASSES.get(platform)) is not None:
        names = [each["metadata"]["name"] for each in facts.runtime_classes]
        hint = f"install Kata Containers (kata-deploy) with {wanted}, or name yours in marbleInjector.runtimeClasses"
        checks.append(Check(f"runtime class for {platform}", wanted in names, wanted, ", ".join(names) or "none", hint))
    return tuple(checks)


def _storage(facts: Facts, persistence: bool) -> tuple[Check, ...]:
    if not persistence:
        return ()
    default = [
        each["metadata"]["name"]
        for each in facts.storage_classes
        if (each["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]
    hint = "name one (--set coordinator.storageClass=…), or do without (--set coordinator.persistence=false)"
    return (Check("storage class", bool(default), "a default one", ", ".join(default) or "none", hint),)
