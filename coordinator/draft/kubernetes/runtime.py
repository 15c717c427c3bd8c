"""Where a pod runs: its runtime class, devices and node selectors to the manifest's platforms."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from attestation.init_data import ANNOTATIONS, FIELDS, InitDataInvalid, from_annotation
from attestation.kinds import Kind
from coordinator.draft.kubernetes.objects import PLATFORM_LABELS, Application, label
from coordinator.draft.kubernetes.tree import Field
from coordinator.draft.model import Platform, question
from coordinator.draft.platforms import PROCESSORS, WITH_GPU


@dataclass(frozen=True, slots=True)
class Runtime:
    """platforms: where it runs.  notes: how that was found, or what somebody has to decide."""

    platforms: tuple[Platform, ...]
    notes: tuple[str, ...]


def runtime(application: Application, pod: Field, container: Field, default: Sequence[Platform]) -> Runtime:
    """The platform of a container.  default: what the user said holds where the pod says nothing."""
    resources = [name for name, _ in container.at("resources", "limits").entries()]
    gpu = any(name.startswith("nvidia.com/") for name in resources)
    found = next(_hints(application, pod, resources), None)
    if found is None:
        if default:
            return Runtime(tuple(default), ())
        unknown = question("nothing in Kubernetes says on which platform it runs; TDX is only proposed")
        return Runtime((Platform(Kind.TDX, gpu),), (unknown,))
    kind, why = found
    if kind is None:
        proposed = tuple(default) or (Platform(Kind.TDX, gpu),)
        return Runtime(proposed, () if default else (question(f"{why} names no platform; TDX is only proposed"),))
    fields = _init_data(pod, kind) if "kata" in why else {}
    return Runtime((Platform(kind, gpu and kind in WITH_GPU, fields),), (f"{kind} by {why}.",))


def _hints(application: Application, pod: Field, resources: Sequence[str]) -> Iterator[tuple[Kind | None, str]]:
    chosen = label(pod, PLATFORM_LABELS)
    if chosen in PROCESSORS:
        yield Kind(chosen), f"its label {PLATFORM_LABELS[0]}"
    for name in resources:
        for pattern, kind in _DEVICES:
            if pattern.search(name):
                yield kind, f"its device {name}"
    for key, _ in pod.at("spec", "nodeSelector").entries():
        for pattern, kind in _NODES:
            if pattern.search(key):
                yield kind, f"its node selector {key}"
    name = pod.at("spec", "runtimeClassName").text
    if name:
        defined = next((o for o in application.of("RuntimeClass") if o.name == name), None)
        handler = defined.body.at("handler").text if defined else ""
        for text in (handler, name):
            for pattern, kind in _CLASSES:
                if pattern.search(text):
                    yield kind, f"its runtime class {name}"
        yield None, f"runtime class {name}"


def _init_data(pod: Field, kind: Kind) -> Mapping[str, str]:
    """The field that pins Kata's init-data, which pins images and commands; computed where the pod carries it."""
    if kind not in FIELDS:
        return {}
    field = FIELDS[kind]
    for key, value in pod.at("metadata", "annotations").entries():
        if key in ANNOTATIONS:
            try:
                return {field.key: from_annotation(value.text).digest(field.length).hex()}
            except InitDataInvalid:
                break
    what = f"digest of the pod's init-data, which pins its images and commands, {field.length * 2} hex digits"
    return {field.key: question(what)}


_Patterns = tuple[tuple[re.Pattern[str], Kind], ...]
_DEVICES: Final[_Patterns] = (
    (re.compile(r"^sgx\.intel\.com/|^kubernetes\.azure\.com/sgx|^sgx\.k8s\.io/"), Kind.SGX),
    (re.compile(r"^aws\.ec2\.nitro/|nitro[_-]enclaves"), Kind.NITRO),
    (re.compile(r"^tdx\.intel\.com/"), Kind.TDX),
)
_NODES: Final[_Patterns] = (
    (re.compile(r"tdx"), Kind.TDX),
    (re.compile(r"sev[._-]?snp|\bsnp\b"), Kind.SEV_SNP),
    (re.compile(r"nitro"), Kind.NITRO),
    (re.compile(r"\bsgx\b"), Kind.SGX),
)
_CLASSES: Final[_Patterns] = (
    (re.compile(r"tdx"), Kind.TDX),
    (re.compile(r"snp"), Kind.SEV_SNP),
    (re.compile(r"kata-cc(?:-isolation)?$"), Kind.SEV_SNP),
    (re.compile(r"cca|realm"), Kind.CCA),
    (re.compile(r"enclave-cc|sgx"), Kind.SGX),
    (re.compile(r"nitro"), Kind.NITRO),
)
