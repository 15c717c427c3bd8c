"""The confidential computing environments that we know, under the names that people see."""

from enum import StrEnum


class Kind(StrEnum):
    """A kind of Evidence.  The value is the platform name in every output."""

    SGX = "sgx"
    TDX = "tdx"
    SEV_SNP = "sev-snp"
    NITRO = "nitro"
    CCA = "cca"
    NVIDIA_GPU = "nvidia-gpu"
    AZURE_VTPM = "azure-vtpm"
    COMPOSITE = "composite"
