"""Every demand on every platform is told by `explain`, and its change by `diff`: none is passed over in silence."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from coordinator.manifest.change import Gravity
from coordinator.manifest.diff import diff
from coordinator.manifest.explain import explain
from coordinator.manifest.model import Manifest
from coordinator.manifest.parse import parse

Document = dict[str, Any]
TEMPLATES = Path(__file__).parents[2] / "manifests" / "templates"


def h(count: int, digit: str = "1") -> str:
    return digit * count * 2


FULL: dict[str, Document] = {
    "SEVSNP": {
        "Measurement": h(48),
        "IDKeyDigest": h(48),
        "AuthorKeyDigest": h(48),
        "HostData": h(32),
        "FamilyID": h(16),
        "ImageID": h(16),
        "GuestSVN": 3,
        "VMPL": 1,
        "SMT": False,
        "SingleSocket": True,
        "PlatformInfo": ["ecc", "tsme"],
        "MinimumTCB": {"SNP": 8},
        "MinimumLaunchTCB": {"Microcode": 9},
        "ChipIDs": [h(64), h(64, "2")],
        "Products": ["Milan"],
        "SigningKeys": ["VCEK"],
        "RequireRevocationList": True,
    },
    "Nitro": {"PCR0": h(48), "PCR3": h(48), "UserData": "aa", "Nonce": "bb", "PublicKey": "cc", "MaxAge": "5m"},
    "CCA": {
        "RIM": h(32),
        "REM0": h(32),
        "RPV": h(64),
        "ImplementationID": h(32),
        "InstanceIDs": [h(33)],
        "Config": "aa",
        "Components": {"RMM": {"Version": "1.0"}},
        "ComponentsOnly": True,
    },
    "AzureVTPM": {
        "TDX": {"MRTD": h(48)},
        "PCR7": h(32),
        "SecureBoot": True,
        "VMID": "01234567-89ab-cdef-0123-456789abcdef",
        "UserData": h(64),
    },
    "TDX": {"MRTD": h(48), "MRServiceTD": h(48), "MinimumTCBDate": "2025-05-14", "PPIDs": [h(16)]},
}
GPU: Document = {
    "Measurements": {"9": h(48)},
    "Drivers": ["550.90.07"],
    "VBIOSes": ["96.00.9F.00.01"],
    "MinimumDriver": "550.90.07",
    "MinimumVBIOS": "96.00.9F.00.01",
    "Models": ["GH100"],
    "Devices": ["aa"],
    "CCMode": "SPT",
    "ProtectedPCIe": True,
    "RequireRevocation": True,
}


def manifest(package: Document) -> Manifest:
    document = {"Packages": {"p": package}, "Marbles": {"m": {"Package": "p"}}}
    return parse(json.dumps(document).encode(), name="m", compatible=False).manifest


def without(package: Document, *path: str) -> Document:
    changed = copy.deepcopy(package)
    node = changed
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return changed


def together(gpu: Document) -> Document:
    return {"AllOf": [{"TDX": {"MRTD": h(48)}}, {"NvidiaGPU": gpu}]}


DEMANDS = [
    (platform, key)
    for platform, section in FULL.items()
    for key in section
    # What an alternative cannot be without, and what is inside of another section.
    if (platform, key)
    not in (("CCA", "RIM"), ("AzureVTPM", "TDX"), ("AzureVTPM", "PCR7"), ("TDX", "MRTD"), ("Nitro", "PCR0"))
]


@pytest.mark.parametrize(("platform", "key"), DEMANDS)
def test_a_demand_that_goes_weakens_and_one_that_comes_narrows(platform: str, key: str) -> None:
    full = {platform: FULL[platform]}
    less = without(full, platform, key)
    gravities = {change.gravity for change in diff(manifest(full), manifest(less))}
    # Without the service that moved it, a machine must not be moved at all.
    expected = Gravity.NARROWS if key == "MRServiceTD" else Gravity.WEAKENS
    assert expected in gravities, (platform, key, gravities)
    assert expected not in {change.gravity for change in diff(manifest(less), manifest(full))}


@pytest.mark.parametrize("key", list(GPU))
def test_a_demand_on_a_gpu_that_goes_weakens(key: str) -> None:
    before, after = manifest(together(GPU)), manifest(together(without(GPU, key)))
    assert Gravity.WEAKENS in {change.gravity for change in diff(before, after)}


@pytest.mark.parametrize(
    ("platform", "key", "value", "gravity"),
    [
        ("SEVSNP", "Measurement", h(48, "2"), Gravity.REPLACES),
        ("SEVSNP", "GuestSVN", 2, Gravity.WEAKENS),
        ("SEVSNP", "GuestSVN", 4, Gravity.NARROWS),
        ("SEVSNP", "ChipIDs", [h(64), h(64, "3")], Gravity.WEAKENS),
        ("SEVSNP", "ChipIDs", [h(64)], Gravity.NARROWS),
        ("SEVSNP", "PlatformInfo", ["ecc"], Gravity.WEAKENS),
        ("SEVSNP", "MigrateMA", True, Gravity.WEAKENS),
        ("SEVSNP", "VMPL", 0, Gravity.CHANGES),
        ("Nitro", "PCR0", h(48, "2"), Gravity.REPLACES),
        ("Nitro", "MaxAge", "6m", Gravity.WEAKENS),
        ("Nitro", "MaxAge", "4m", Gravity.NARROWS),
        ("CCA", "RIM", h(32, "2"), Gravity.REPLACES),
        ("AzureVTPM", "PCR7", h(32, "2"), Gravity.REPLACES),
        ("AzureVTPM", "TDX", {"MRTD": h(48, "2")}, Gravity.REPLACES),
        ("TDX", "MinimumTCBDate", "2025-05-13", Gravity.WEAKENS),
        ("TDX", "MRServiceTD", h(48, "2"), Gravity.REPLACES),
    ],
)
def test_a_changed_demand_has_its_gravity(platform: str, key: str, value: Any, gravity: Gravity) -> None:
    before = {platform: FULL[platform]}
    after = copy.deepcopy(before)
    after[platform][key] = value
    changes = diff(manifest(before), manifest(after))
    assert [gravity] == [change.gravity for change in changes]
    assert changes[0].before != changes[0].after


def test_versions_of_drivers_compare_number_by_number() -> None:
    before = manifest(together(GPU))
    older, newer = (manifest(together({**GPU, "MinimumDriver": text})) for text in ("550.9.99", "550.100.1"))
    assert [Gravity.WEAKENS] == [change.gravity for change in diff(before, older)]
    assert [Gravity.NARROWS] == [change.gravity for change in diff(before, newer)]


def test_a_release_beside_another_is_one_more_way_in_and_the_old_one_s_end_is_one_less() -> None:
    old, both, new = (
        manifest({"SEVSNP": {"Measurement": value}})
        for value in (h(48, "1"), {"v1": h(48, "1"), "v2": h(48, "2")}, {"v2": h(48, "2")})
    )
    added, ended, replaced = diff(old, both), diff(both, new), diff(old, new)
    assert [(Gravity.WEAKENS, True)] == [(c.gravity, "22222222…2222" in c.meaning) for c in added]
    assert [(Gravity.NARROWS, True)] == [(c.gravity, "11111111…1111" in c.meaning) for c in ended]
    assert [Gravity.REPLACES] == [c.gravity for c in replaced]
    assert not diff(both, both)


def test_a_gpu_that_is_demanded_no_more_weakens() -> None:
    alone = manifest({"AllOf": [{"TDX": {"MRTD": h(48)}}, {"NvidiaGPU": {"Models": ["GH100"]}}]})
    other = manifest({"TDX": {"MRTD": h(48)}})
    assert Gravity.WEAKENS in {change.gravity for change in diff(alone, other)}


@pytest.mark.parametrize("platform", list(FULL))
def test_every_demand_is_told(platform: str) -> None:
    proof = explain(manifest({platform: FULL[platform]}))["marbles"]["m"]["proof"][0]
    assert h(48)[:8] in proof or h(32)[:8] in proof
    told = {
        "SEVSNP": ["GuestSVN 3 or later", "ChipIDs", "no SMT", "not debuggable", "SNP"],
        "Nitro": ["MaxAge 300 seconds"],
        "CCA": ["RMM version 1.0", "ComponentsOnly"],
        "AzureVTPM": ["SecureBoot True", "a TDX virtual machine"],
        "TDX": ["firmware"],
    }
    for words in told[platform]:
        assert words.lower() in proof.lower()


def test_a_processor_with_its_gpu_is_told_together() -> None:
    proof = explain(manifest(together(GPU)))["marbles"]["m"]["proof"][0]
    assert proof.startswith("all together: a TDX virtual machine")
    assert "; and an NVIDIA device" in proof
    assert "MinimumDriver 550.90.07 or later" in proof


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_template_is_told_and_differs_in_nothing_from_itself(path: Path) -> None:
    read = parse(path.read_bytes(), name=path.name, compatible=False).manifest
    assert not diff(read, read)
    assert all(" evidence" not in proof for marble in explain(read)["marbles"].values() for proof in marble["proof"])
