"""NVIDIA devices in NVIDIA's words."""

from collections.abc import Mapping
from typing import Final

from attestation.claims import ReferenceValues
from attestation.nvidia_gpu.claims import NvidiaGpuReferenceValues
from coordinator.manifest.document import ScalarNode
from coordinator.manifest.platforms.fields import combinations
from coordinator.manifest.reading import Reading
from coordinator.manifest.schema_packages import PLATFORMS
from coordinator.manifest.shape import named
from coordinator.manifest.view import View


def read_nvidia_gpu(reading: Reading, view: View) -> list[ReferenceValues]:
    """Devices, by what their firmware measures."""
    wants_rims = view.flag("RIMs") if view.has("RIMs") else True
    if not wants_rims and not view.has("Measurements"):
        message = f"{named(view.owner.pointer)} accepts any firmware"
        reading.refuse("E021", view.owner, message, "remove RIMs: false, or name Measurements")
        return []
    measurements, sources = {}, {}
    for member in view.members("Measurements"):
        if member.key not in _INDICES:
            message = f"{named(member.place.pointer)}: an index is a number from 0 to {len(_INDICES) - 1}"
            reading.refuse("E012", member.place, message, 'write it as "9"')
        elif isinstance(member.node, ScalarNode):
            place = member.node.place
            measurements[int(member.key)] = bytes.fromhex(str(member.node.value))
            sources[f"measurement_{member.key}"] = f"{reading.document.name}:{place.line + 1} {place.pointer}"
    mode = view.text("CCMode").lower() or None
    return [
        NvidiaGpuReferenceValues(
            rims=wants_rims,
            measurements=measurements,
            drivers=view.texts("Drivers"),
            vbioses=view.texts("VBIOSes"),
            minimum_driver=view.text("MinimumDriver") or None,
            minimum_vbios=view.text("MinimumVBIOS") or None,
            models=view.texts("Models"),
            devices=fields.lowered("Devices") or frozenset(),
            cc_mode=mode,
            protected_pcie=fields.switch("ProtectedPCIe"),
            revocation=view.flag("RequireRevocation"),
            nras=view.flag("AcceptNRAS"),
            sources={**fields.sources(_KEYS), **sources},
        )
        for fields in combinations(reading, view, PLATFORMS["NvidiaGPU"])
    ]


_INDICES: Final = frozenset(map(str, range(64)))
_KEYS: Final[Mapping[str, str]] = {
    "rims": "RIMs",
    "drivers": "Drivers",
    "vbioses": "VBIOSes",
    "minimum_driver": "MinimumDriver",
    "minimum_vbios": "MinimumVBIOS",
    "models": "Models",
    "devices": "Devices",
    "cc_mode": "CCMode",
    "protected_pcie": "ProtectedPCIe",
    "revocation": "RequireRevocation",
    "nras": "AcceptNRAS",
}
