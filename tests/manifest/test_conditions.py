"""Conditions: one of several, all together, and hardware of several vendors."""

from collections.abc import Callable
from typing import Any

import pytest

from attestation.kinds import Kind
from coordinator.manifest.change import Gravity
from coordinator.manifest.diff import diff
from coordinator.manifest.errors import Finding
from coordinator.manifest.explain import explain
from coordinator.manifest.graph import graph
from coordinator.manifest.parse import Parsed

Parse = Callable[..., Parsed]
Refuse = Callable[..., list[Finding]]
Document = dict[str, Any]
TDX: Document = {"TDX": {"MRTD": "11" * 48}}
SNP: Document = {"SEVSNP": {"Measurement": "22" * 48, "ChipIDs": ["aa" * 64]}}
OTHER_SNP: Document = {"SEVSNP": {"Measurement": "33" * 48, "Products": ["Genoa"]}}
WITH_GPU: Document = {"AllOf": [TDX, {"NvidiaGPU": {"Models": ["GH100"]}}]}


def document(package: Document, **marble: Any) -> Document:
    return {"Packages": {"p": package}, "Marbles": {"m": {"Package": "p", **marble}}}


def test_any_of_lists_what_platforms_beside_each_other_cannot(parsed: Parse) -> None:
    package = {"AnyOf": [WITH_GPU, SNP, OTHER_SNP]}
    kinds = [values.kind for values in parsed(document(package)).manifest.packages["p"].alternatives]
    assert [Kind.COMPOSITE, Kind.SEV_SNP, Kind.SEV_SNP] == kinds


def test_any_of_stands_beside_platforms_as_one_more_alternative(parsed: Parse) -> None:
    package = {**TDX, "AnyOf": [SNP, OTHER_SNP]}
    kinds = [values.kind for values in parsed(document(package)).manifest.packages["p"].alternatives]
    assert [Kind.TDX, Kind.SEV_SNP, Kind.SEV_SNP] == kinds


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ({"AnyOf": []}, "E022"),
        ({"AnyOf": [{}]}, "E022"),
        ({"AnyOf": [TDX, {"AllOf": [TDX]}]}, "E021"),
        ({"AnyOf": [TDX], "UniqueID": "11" * 32}, "E021"),
        ({"AnyOf": [{"NvidiaGPU": {"Models": ["GH100"]}}]}, "E010"),
        ({"AnyOf": [{"SEVSNP": {"Measurement": {f"r{n}": f"{n:02x}" * 48 for n in range(64)}}}, TDX]}, "E033"),
    ],
)
def test_an_alternative_that_proves_nothing_refuses_the_whole(refused: Refuse, package: Document, code: str) -> None:
    assert code in [finding.code for finding in refused(document(package))]


def test_an_alternative_more_weakens_and_each_is_told(parsed: Parse) -> None:
    before, after = (parsed(document({"AnyOf": some})).manifest for some in ([SNP], [SNP, OTHER_SNP]))
    assert [Gravity.WEAKENS] == [change.gravity for change in diff(before, after)]
    assert [Gravity.NARROWS] == [change.gravity for change in diff(after, before)]
    proofs = explain(after)["marbles"]["m"]["proof"]
    assert ["22222222…2222", "33333333…3333"] == [proof.split("Measurement ")[1].split(",")[0] for proof in proofs]


# Hardware of several vendors


def test_a_limit_by_vendor_is_read_told_and_drawn(parsed: Parse) -> None:
    manifest = parsed(document({**TDX, **SNP}, MaxActivations=3, MaxActivationsPerVendor=2)).manifest
    assert 2 == manifest.marbles["m"].max_per_vendor
    assert "at most 2 times on hardware of one vendor" in explain(manifest)["marbles"]["m"]["starts"]
    assert any("2 a vendor" in line for node in graph(manifest).nodes for line in node.lines)


@pytest.mark.parametrize(("limit", "of_all", "codes"), [(2, 3, []), (3, 3, ["E073"]), (4, 3, ["E073"]), (4, 0, [])])
def test_a_limit_by_vendor_leaves_something_for_another(
    refused: Refuse, parsed: Parse, limit: int, of_all: int, codes: list[str]
) -> None:
    limited = document({**TDX, **SNP}, MaxActivations=of_all, MaxActivationsPerVendor=limit)
    if codes:
        assert codes == [finding.code for finding in refused(limited)]
    else:
        assert limit == parsed(limited).manifest.marbles["m"].max_per_vendor


@pytest.mark.parametrize(
    ("before", "after", "gravity"), [(1, 2, "WEAKENS"), (2, 0, "WEAKENS"), (0, 2, "NARROWS"), (2, 1, "NARROWS")]
)
def test_more_instances_on_one_vendors_hardware_weaken(parsed: Parse, before: int, after: int, gravity: str) -> None:
    old, new = (parsed(document({**TDX, **SNP}, MaxActivationsPerVendor=n)).manifest for n in (before, after))
    assert [gravity] == [change.gravity.name for change in diff(old, new)]
