"""Reference measurements of NVIDIA's devices, from NVIDIA's RIM service or a cache of it.

Source: NVIDIA RIM service API, GET /v1/rim/{id}; the ids as NVIDIA's attestation SDK makes them of what the device
reports: NV_GPU_DRIVER_GH100_VERSION (Hopper), NV_GPU_CC_DRIVER_CHIP_VERSION (Blackwell), NV_GPU_VBIOS_PROJECT_SKU_CHIP
_VERSION, NV_SWITCH_BIOS_5612_0002_890_VERSION.
"""

import json
from base64 import b64decode
from typing import Final

from attestation.anchors import common_name
from attestation.chain import read_pem_chain
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.evidence import Evidence
from attestation.fetch import codes
from attestation.fetch.errors import FetchFailed
from attestation.fetch.http import Answer, Http
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import Field, MeasurementReport, parse_container, parse_measurements
from attestation.nvidia_gpu.rim import parse_rim

NVIDIA: Final = "https://rim.attestation.nvidia.com"
_CHIP_INFO: Final = 35
"""Opaque field, in newer Blackwell reports."""


def fetch_rims(http: Http, evidence: Evidence, base: str = "") -> NvidiaGpuEndorsements:
    """The RIMs of a device's driver and VBIOS.  base: of a cache; empty for NVIDIA's own service.

    Raises FetchFailed, EvidenceFormatError.
    """
    container = parse_container(evidence.raw)
    report = parse_measurements(container.measurements)
    try:
        chip = common_name(read_pem_chain(container.chain)[0].issuer).split(" ")[0]
    except EndorsementFormatError as error:
        raise EvidenceFormatError(f"device certificates: {error}") from error
    answers = [http.get(f"{base or NVIDIA}/v1/rim/{name}") for name in rim_ids(report, chip)]
    return NvidiaGpuEndorsements(rims=tuple(_rim(answer) for answer in answers))


def rim_ids(report: MeasurementReport, chip: str) -> tuple[str, ...]:
    """Names of the RIMs that a report needs.  chip: of the device's certificates, e.g. "GH100".

    Raises FetchFailed if the device reports a name or version that cannot be part of one.
    """
    version = report.vbios_version.replace(".", "").upper()
    if report.is_switch:
        return (_checked(f"NV_SWITCH_BIOS_5612_0002_890_{version}"),)
    named = report.opaque.get(_CHIP_INFO, b"").split(b"\0")[0].decode("ascii", "replace") or chip
    line = "NV_GPU_DRIVER" if named.startswith("GH") else "NV_GPU_CC_DRIVER"
    board = "_".join(report.text(field).upper() for field in (Field.PROJECT, Field.PROJECT_SKU, Field.CHIP_SKU))
    return (
        _checked(f"{line}_{named}_{report.text(Field.DRIVER_VERSION)}"),
        _checked(f"NV_GPU_VBIOS_{board}_{version}"),
    )


def _checked(name: str) -> str:
    """An id is part of a URL, and made of what an unverified device says."""
    if not name.isascii() or not name.replace("_", "").replace(".", "").replace("-", "").isalnum():
        raise FetchFailed(
            codes.NOTHING_TO_FETCH, f"NVIDIA report: expected versions of letters and digits, got '{name!r:.100}'"
        )
    return name


def _rim(answer: Answer) -> bytes:
    try:
        rim = b64decode(json.loads(answer.body)["rim"], validate=True)
        parse_rim(rim)
    except (ValueError, TypeError, KeyError, RecursionError, EndorsementFormatError) as error:
        raise FetchFailed(codes.CONTENT, f"{answer.url}: expected a JSON object with a 'rim' in base64") from error
    return rim
