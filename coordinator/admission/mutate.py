"""What does a pod need to become a marble?  The pod in, a JSON patch out.  Nothing that stands there is overwritten.

The webhook is outside the trusted base: what it injects is the host's word, and a marble that is told lies here gets
no secret.  Source: MarbleRun contract 7.3 for the labels and variables that are MarbleRun's.
"""

import copy
from typing import Any, Final

from attestation.init_data import ANNOTATION, InitDataInvalid, from_annotation, to_annotation
from attestation.issue import SIMULATION_HOST_DATA
from coordinator.admission import pod_words as words
from coordinator.admission.init_data import FILE, FOLDER, VOLUME, init_data_of, own_init_data
from coordinator.admission.patch import Object, Operation, Patch
from coordinator.admission.pod import Place, Refusal, check_pod, name_of, places
from coordinator.admission.settings import Injection
from marble import settings as variables

UUID_VOLUME: Final = "enclasp-uuid"
UUID_FILE: Final = "uuid-file"
LAUNCHER: Final = "enclasp-launcher"
LAUNCHER_FOLDER: Final = "/enclasp"
_LAUNCHER_TREE: Final = f"{LAUNCHER_FOLDER}/marble"
SIMULATION: Final = "enclasp-simulation"
SIMULATION_FOLDER: Final = "/run/enclasp/simulation"

_INTEL_SGX: Final = "sgx.intel.com/epc"
_NITRO: Final = "aws.ec2.nitro/nitro_enclaves"
_SIMULATED_PLATFORMS: Final = ("sgx", "tdx", "sev-snp", "nitro")
_SIMULATED_FIELD: Final = 64
_KATA: Final = "kata"
_START: Final = (
    f"{_LAUNCHER_TREE}/loader",
    *("--library-path", f"{_LAUNCHER_TREE}/lib"),
    *(f"{_LAUNCHER_TREE}/bin/python3", "-I", "-m", "marble", "--"),
)
"""The launcher by its own loader and libraries, so that it starts in any image, or in one without a C library."""
_LAY: Final = f"import shutil; shutil.copytree('/opt/enclasp-marble', '{_LAUNCHER_TREE}', dirs_exist_ok=True)"


def inject(raw: Any, *, namespace: str, settings: Injection) -> tuple[Operation, ...]:
    """The patch for a pod; empty for one that asks for nothing, or has everything already.

    namespace: where the pod is made.  Raises Refusal for a pod that asks for what cannot be.
    """
    pod = check_pod(copy.deepcopy(raw))
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    marble_type = _label(labels, words.TYPE)
    if marble_type is None:
        return ()
    if not marble_type:
        raise Refusal("K601", f"pod '{name_of(pod)}': label {words.TYPE[0]}: expected a marble type, got nothing")
    chosen = _chosen(pod, _label(labels, words.CONTAINER))
    patch = Patch(pod)
    _name(patch, chosen, _environment(marble_type, namespace, settings))
    _uuid(patch, chosen, f"/{marble_type}-uid")
    platform = _platform(labels, settings)
    if settings.simulation_secret:
        _simulate(patch, chosen, platform, settings.simulation_secret)
    elif _one_of(labels, words.RESOURCES, (words.DISABLED,)) is None:
        _equip(patch, chosen, platform, settings)
    if settings.init_data is not None and _takes_init_data(patch.document, platform, settings):
        _tell(patch, chosen, marble_type, settings)
    if _one_of(labels, (words.LAUNCHER,), (words.INJECT,)):
        _launch(patch, chosen, settings.launcher_image)
    return tuple(patch.operations)


def _label(labels: dict[str, str], names: tuple[str, ...]) -> str | None:
    """The one value of labels that mean the same.  Raises Refusal if two differ."""
    found = {name: labels[name] for name in names if name in labels}
    if len(set(found.values())) > 1:
        said = " and ".join(f"{name}: {value!a}" for name, value in found.items())
        raise Refusal("K602", f"labels: expected one value, got {said}")
    return next(iter(found.values()), None)


def _one_of(labels: dict[str, str], names: tuple[str, ...], values: tuple[str, ...]) -> str | None:
    value = _label(labels, names)
    if value is not None and value not in values:
        raise Refusal("K604", f"label {names[0]}: expected {' or '.join(values)}, got {value!a}")
    return value


def _platform(labels: dict[str, str], settings: Injection) -> str:
    return _one_of(labels, (words.PLATFORM,), words.PLATFORMS) or settings.platform


def _chosen(pod: Object, name: str | None) -> tuple[Place, ...]:
    """The containers that become marbles: all but init containers, or the one that was named."""
    if name is None:
        return tuple(place for place in places(pod) if place.section == "containers")
    found = tuple(place for place in places(pod) if place.name == name)
    if not found:
        known = ", ".join(place.name for place in places(pod))
        raise Refusal("K603", f"label {words.CONTAINER[0]}: expected one of {known}, got {name!a}")
    return found


def _environment(marble_type: str, namespace: str, settings: Injection) -> dict[str, str]:
    service = marble_type.lower()
    names = (service, f"{service}.{namespace}", f"{service}.{namespace}.svc.{settings.domain}")
    return {
        variables.COORDINATOR_ADDRESS: settings.coordinator,
        variables.TYPE: marble_type,
        variables.DNS_NAMES: ",".join(names),
        variables.UUID_FILE: f"/{marble_type}-uid/{UUID_FILE}",
    }


def _name(patch: Patch, chosen: tuple[Place, ...], environment: dict[str, str]) -> None:
    """Add the variables that a container does not have."""
    for place in chosen:
        present = {variable.get("name") for variable in place.container.get("env") or []}
        for name, value in environment.items():
            if name not in present:
                patch.append(place.path, "env", {"name": name, "value": value})


def _uuid(patch: Patch, chosen: tuple[Place, ...], folder: str) -> None:
    """The pod's UID as the marble's UUID, in a file: a pod that is made anew is another marble."""
    field = {"path": UUID_FILE, "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}
    volume = {"downwardAPI": {"items": [field], "defaultMode": 0o444}}
    for place in chosen:
        mounts = place.container.get("volumeMounts") or []
        if all(mount.get("mountPath", "").rstrip("/") != folder for mount in mounts):
            _mount(patch, place, UUID_VOLUME, folder, volume)


def _simulate(patch: Patch, chosen: tuple[Place, ...], platform: str, secret: str) -> None:
    """The simulated vendor's folder, from a Secret of the pod's namespace.  It proves nothing, so it guards nothing."""
    environment = {"ENCLASP_SIMULATION": SIMULATION_FOLDER}
    if platform in _SIMULATED_PLATFORMS:
        environment["ENCLASP_SIMULATION_KIND"] = platform
    _name(patch, chosen, environment)
    for place in chosen:
        _mount(patch, place, SIMULATION, SIMULATION_FOLDER, {"secret": {"secretName": secret, "defaultMode": 0o444}})


def _equip(patch: Patch, chosen: tuple[Place, ...], platform: str, settings: Injection) -> None:
    """Devices, tolerations or the runtime class of a platform."""
    if platform == words.SGX:
        _give_sgx(patch, chosen, settings.sgx_resource)
    elif platform == words.NITRO:
        _give(patch, chosen, {_NITRO: "1"})
    elif platform != "none" and not patch.document["spec"].get("runtimeClassName"):
        name = settings.runtime_classes.get(platform)
        if not name:
            raise Refusal("K605", f"platform {platform}: expected a runtime class, got none for it")
        patch.set(("spec",), "runtimeClassName", name)


def _give_sgx(patch: Patch, chosen: tuple[Place, ...], resource: str) -> None:
    intel = resource == _INTEL_SGX
    wanted = (
        {resource: "10Mi", "sgx.intel.com/enclave": "1", "sgx.intel.com/provision": "1"} if intel else {resource: "10"}
    )
    _give(patch, chosen, wanted)
    toleration = {"key": resource, "operator": "Exists", "effect": "NoSchedule"}
    if toleration not in (patch.document["spec"].get("tolerations") or []):
        patch.append(("spec",), "tolerations", toleration)


def _give(patch: Patch, chosen: tuple[Place, ...], wanted: dict[str, str]) -> None:
    """Extended resources, of which limits and requests must be equal; what a container asks for itself counts."""
    for place in chosen:
        patch.ensure(place.path, "resources")
        for part in ("limits", "requests"):
            patch.ensure((*place.path, "resources"), part)
            own = {**(place.container["resources"].get("requests") or {}), **place.container["resources"]["limits"]}
            for name, amount in wanted.items():
                if name not in place.container["resources"][part]:
                    patch.set((*place.path, "resources", part), name, own.get(name, amount))


def _takes_init_data(pod: Object, platform: str, settings: Injection) -> bool:
    """Whether the pod becomes a virtual machine that is measured with init-data."""
    kata = _KATA in str(pod["spec"].get("runtimeClassName") or "")
    return platform in words.WITH_INIT_DATA and (kata or bool(settings.simulation_secret))


def _tell(patch: Patch, chosen: tuple[Place, ...], marble_type: str, settings: Injection) -> None:
    """Give the pod its init-data, and the launcher a copy, which it compares with what the hardware measured."""
    annotations = patch.document["metadata"].get("annotations") or {}
    own = own_init_data(annotations, settings.coordinator, marble_type)
    if own is None:
        try:
            value = to_annotation(init_data_of(settings.coordinator, marble_type, settings.init_data or {}))
        except InitDataInvalid as cause:
            raise Refusal("K692", str(cause)) from cause
        patch.ensure(("metadata",), "annotations")
        patch.set(("metadata", "annotations"), ANNOTATION, value)
    name, for_marble = own or (ANNOTATION, True)
    if not for_marble:
        return
    field = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{name}']"}
    volume = {"downwardAPI": {"items": [{"path": FILE, "fieldRef": field}], "defaultMode": 0o444}}
    environment = {variables.INIT_DATA: f"{FOLDER}/{FILE}"}
    if settings.simulation_secret:
        measured = from_annotation(patch.document["metadata"]["annotations"][name])
        environment[SIMULATION_HOST_DATA] = measured.digest(_SIMULATED_FIELD).hex()
    _name(patch, chosen, environment)
    for place in chosen:
        _mount(patch, place, VOLUME, FOLDER, volume)


def _launch(patch: Patch, chosen: tuple[Place, ...], image: str) -> None:
    """Put the launcher in front of each program; an init container lays it into a folder that they share."""
    if not image:
        raise Refusal("K606", f"label {words.LAUNCHER}: expected a launcher image in the webhook's settings, got none")
    waiting = [place for place in chosen if tuple(place.container.get("command") or ())[: len(_START)] != _START]
    for place in waiting:
        command = place.container.get("command")
        if not command:
            raise Refusal("K606", f"container '{place.name}': expected its command in the pod, got none")
        _mount(patch, place, LAUNCHER, LAUNCHER_FOLDER, {"emptyDir": {"sizeLimit": "256Mi"}}, read_only=True)
        patch.set(place.path, "command", [*_START, *command])
    if waiting:
        if any(place.name == LAUNCHER for place in places(patch.document)):
            raise Refusal("K607", f"expected no container '{LAUNCHER}', got one")
        patch.prepend(("spec",), "initContainers", _layer(image))


def _layer(image: str) -> Object:
    return {
        "name": LAUNCHER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/local/bin/python3", "-I", "-c", _LAY],
        "volumeMounts": [{"name": LAUNCHER, "mountPath": LAUNCHER_FOLDER}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _mount(patch: Patch, place: Place, name: str, folder: str, source: Object, *, read_only: bool = True) -> None:
    """Mount a volume of ours, and see to it that the pod has it.  Raises Refusal if the name or place is taken."""
    present = next((each for each in patch.document["spec"].get("volumes") or [] if each.get("name") == name), None)
    if present is None:
        patch.append(("spec",), "volumes", {"name": name, **source})
    elif present.keys() != {"name", *source}:
        raise Refusal(
            "K607", f"volume '{name}': expected {', '.join(source)}, got {', '.join(present.keys() - {'name'})}"
        )
    mount = {"name": name, "mountPath": folder, "readOnly": read_only}
    for existing in place.container.get("volumeMounts") or []:
        if existing.get("mountPath", "").rstrip("/") == folder:
            if existing.get("name") == name:
                return
            raise Refusal("K607", f"container '{place.name}': expected nothing mounted at {folder}, got a volume there")
    patch.append(place.path, "volumeMounts", mount)
