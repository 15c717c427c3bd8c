"""Which reader reads which platform.  A reader, and the room that it needs, is loaded when a manifest names it."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from attestation.claims import ReferenceValues
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View

Reader: TypeAlias = Callable[[Reading, View], list[ReferenceValues]]


def reader_of(platform: str) -> Reader:
    """The reader of a platform's section: reference values, or none with a finding."""
    return _LOADERS[platform]()


def _sgx() -> Reader:
    from coordinator.manifest.platforms.intel import read_sgx

    return read_sgx


def _tdx() -> Reader:
    from coordinator.manifest.platforms.intel import read_tdx

    return read_tdx


def _sev_snp() -> Reader:
    from coordinator.manifest.platforms.sev_snp import read_sev_snp

    return read_sev_snp


def _nitro() -> Reader:
    from coordinator.manifest.platforms.nitro import read_nitro

    return read_nitro


def _cca() -> Reader:
    from coordinator.manifest.platforms.cca import read_cca

    return read_cca


def _nvidia_gpu() -> Reader:
    from coordinator.manifest.platforms.nvidia_gpu import read_nvidia_gpu

    return read_nvidia_gpu


def _azure_vtpm() -> Reader:
    from coordinator.manifest.platforms.azure_vtpm import read_azure_vtpm

    return read_azure_vtpm


_LOADERS: Final[Mapping[str, Callable[[], Reader]]] = {
    "SGX": _sgx,
    "TDX": _tdx,
    "SEVSNP": _sev_snp,
    "Nitro": _nitro,
    "CCA": _cca,
    "NvidiaGPU": _nvidia_gpu,
    "AzureVTPM": _azure_vtpm,
}
