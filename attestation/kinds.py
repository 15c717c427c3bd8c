"""The confidential computing environments that we know, under the names that people see."""

from enum import StrEnum


class Kind(StrEnum):
    """A kind of Evidence.  The value is the platform name in every output."""

    SGX = "sgx"
    TDX = "tdx"
