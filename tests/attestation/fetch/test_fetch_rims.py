"""A device's RIMs are found under the names that NVIDIA gives them."""

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.endorsements import parse_bundle
from attestation.evidence import Evidence
from attestation.fetch import codes
from attestation.fetch.bundle import fetch_bundle
from attestation.fetch.errors import FetchFailed
from attestation.fetch.http import Http
from attestation.fetch.rim import rim_ids
from attestation.kinds import Kind
from attestation.nvidia_gpu.format import (
    Field,
    MeasurementReport,
    evidence_of_files,
    parse_container,
    parse_measurements,
)
from tests.fakes.vendor_services import Service

VECTORS = Path(__file__).parents[2] / "vectors" / "nvidia_gpu"


def folder(name: str) -> Path:
    return next(VECTORS.glob(f"{name}*"))


def evidence(name: str) -> Evidence:
    return evidence_of_files({file.name: file.read_bytes() for file in folder(name).iterdir()})


def report(name: str) -> MeasurementReport:
    return parse_measurements(parse_container(evidence(name).raw).measurements)


def rim_page(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"id": "x", "rim": b64encode(raw).decode()}).encode()


def test_the_rims_of_a_real_gpu_are_fetched_by_name(service: Service, http: Http) -> None:
    place = folder("01")
    service.pages = {
        "/v1/rim/NV_GPU_DRIVER_GH100_550.90.07": rim_page((place / "driver_rim.xml").read_bytes()),
        "/v1/rim/NV_GPU_VBIOS_1010_0200_882_96009F0001": rim_page((place / "vbios_rim.xml").read_bytes()),
    }
    bundle = parse_bundle(fetch_bundle(http, [evidence("01"), evidence("01")], service.url))
    assert 2 == len(bundle.sections[Kind.NVIDIA_GPU])


def test_blackwell_and_switches_have_names_of_their_own() -> None:
    hopper = report("01")
    assert "NV_GPU_CC_DRIVER_GB100_550.90.07" == rim_ids(hopper, "GB100")[0]
    newer = replace(hopper, opaque={**hopper.opaque, 35: b"GB202\0"})
    assert "NV_GPU_CC_DRIVER_GB202_550.90.07" == rim_ids(newer, "GB100")[0]
    [switch] = rim_ids(report("03"), "LS10")
    assert switch.startswith("NV_SWITCH_BIOS_5612_0002_890_")


def test_a_version_that_would_lead_elsewhere_is_refused() -> None:
    hopper = report("01")
    odd = replace(hopper, opaque={**hopper.opaque, Field.DRIVER_VERSION: b"1/../../ids\0"})
    with pytest.raises(FetchFailed, match="letters and digits") as refused:
        rim_ids(odd, "GH100")
    assert codes.NOTHING_TO_FETCH == refused.value.code


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"rim":7}', b'{"rim":"no"}', b'{"rim":"PGE+"}'])
def test_a_page_without_a_rim_is_refused(service: Service, http: Http, body: bytes) -> None:
    service.pages["/v1/rim/NV_GPU_DRIVER_GH100_550.90.07"] = service.pages[
        "/v1/rim/NV_GPU_VBIOS_1010_0200_882_96009F0001"
    ] = (200, {}, body)
    with pytest.raises(FetchFailed, match="expected a JSON object with a 'rim'") as refused:
        fetch_bundle(http, [evidence("01")], service.url)
    assert codes.CONTENT == refused.value.code
