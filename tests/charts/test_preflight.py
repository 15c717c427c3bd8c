"""What a cluster must have for a platform, each demand with the cluster that lacks it."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from coordinator.kubernetes.preflight import RIGHTS, Facts, environments, platforms_of, preflight, sgx_resource


def node(
    name: str, labels: dict[str, str] | None = None, allocatable: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "status": {"allocatable": dict(allocatable)}}


SGX = node("one", allocatable={"sgx.intel.com/epc": "512Mi"})
TDX = node("two", {"feature.node.kubernetes.io/cpu-security.tdx.enabled": "true"})
DEFAULT = {"metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
KATA = {"metadata": {"name": "kata-qemu-tdx"}}
GOOD = Facts("v1.37.2", (SGX, TDX), (KATA,), (DEFAULT,), dict.fromkeys(RIGHTS, True))


def failed(facts: Facts, platform: str, persistence: bool = True) -> list[str]:
    return [check.name for check in preflight(facts, platform, persistence=persistence) if not check.passed]


def test_a_cluster_that_has_everything_passes() -> None:
    for platform in ("simulated", "sgx", "tdx"):
        assert [] == failed(GOOD, platform)


def test_each_thing_that_is_missing_is_named_with_what_to_do() -> None:
    for facts, platform, name in (
        (replace(GOOD, version="v1.28.9"), "simulated", "kubernetes"),
        (replace(GOOD, rights={}), "simulated", "right to create namespaces"),
        (replace(GOOD, nodes=(TDX,)), "sgx", "nodes with sgx"),
        (replace(GOOD, nodes=(node("one", allocatable={"sgx.intel.com/epc": "0"}),)), "sgx", "nodes with sgx"),
        (replace(GOOD, nodes=(SGX,)), "tdx", "nodes with tdx"),
        (replace(GOOD, runtime_classes=()), "tdx", "runtime class for tdx"),
        (replace(GOOD, storage_classes=()), "simulated", "storage class"),
    ):
        missing = [check for check in preflight(facts, platform, persistence=True) if not check.passed]
        assert name == missing[0].name
        assert "" != missing[0].hint


def test_each_platform_says_what_it_lacks_and_how_to_get_it() -> None:
    bare = environments(replace(GOOD, nodes=(node("one"),), runtime_classes=()))
    assert ["simulated", "sgx", "tdx", "sev-snp", "nitro"] == list(bare)
    assert () == bare["simulated"]
    lacks = {name: [check.name for check in checks if not check.passed] for name, checks in bare.items()}
    assert ["nodes with tdx", "runtime class for tdx"] == lacks["tdx"]
    assert (["nodes with sgx"], ["nodes with nitro"]) == (lacks["sgx"], lacks["nitro"])
    for words, name in (
        ("SGX device plugin", "sgx"),
        ("Nitro Enclaves device plugin", "nitro"),
        ("kata-deploy", "tdx"),
    ):
        assert words in " ".join(check.hint for check in bare[name])
    nitro = node("n", allocatable={"aws.ec2.nitro/nitro_enclaves": "4"})
    assert all(check.passed for check in environments(replace(GOOD, nodes=(nitro,)))["nitro"])


def test_without_a_volume_no_storage_class_is_needed() -> None:
    assert [] == failed(replace(GOOD, storage_classes=()), "simulated", persistence=False)


def test_newer_versions_of_two_digits_are_newer() -> None:
    assert [] == failed(replace(GOOD, version="v1.100.0-gke.1"), "simulated")
    assert ["kubernetes"] == failed(replace(GOOD, version="v1.9.0"), "simulated")


def test_a_nodes_platforms_come_from_its_resources_and_labels() -> None:
    assert (("sgx",), ("tdx",), ()) == (platforms_of(SGX), platforms_of(TDX), platforms_of(node("three")))


def test_the_sgx_resource_is_the_one_that_the_nodes_offer() -> None:
    assert "sgx.intel.com/epc" == sgx_resource(replace(GOOD, nodes=()))
    azure = node("a", allocatable={"kubernetes.azure.com/sgx_epc_mem_in_MiB": "10"})
    assert "kubernetes.azure.com/sgx_epc_mem_in_MiB" == sgx_resource(replace(GOOD, nodes=(azure,)))
