"""What the coordinator must be, platform by platform: Reference Values of each kind from its section of a document.

A platform's room is loaded when a document names it, since Nitro's and CCA's need a package that others do not.
"""

from collections.abc import Callable, Mapping
from typing import Final

from attestation.claims import ReferenceValues
from attestation.errors import foreign_package
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from marble.section import Section

_SGX_BYTES: Final = 32
_TDX_BYTES: Final = 48
_RTMRS: Final = ("RTMR0", "RTMR1", "RTMR2", "RTMR3")
_TCB: Final = frozenset({"AcceptedTCBStatuses", "AcceptedAdvisories"})
_TDX_KEYS: Final = frozenset({"MRTD", *_RTMRS, "MRConfigID", "MROwner", "MROwnerConfig"}) | _TCB
_SGX_KEYS: Final = frozenset({"MRENCLAVE", "UniqueID", "MRSIGNER", "SignerID", "ISVProdID", "ISVSVN"}) | _TCB
_SNP_BYTES: Final = 48
_HOST_DATA_BYTES: Final = 32
_RIM_BYTES: Final = (32, 48, 64)
_PCRS: Final = {number: f"PCR{number}" for number in range(24)}


def read_platform(kind: str, section: Section) -> ReferenceValues:
    """The values of a platform, a key of PLATFORMS.  Raises ReferenceFormatError."""
    try:
        return PLATFORMS[kind](section)
    except ModuleNotFoundError as error:
        section.refuse("", "a platform whose packages are installed", f"no '{foreign_package(error)}'")


def _tdx(section: Section) -> TdxReferenceValues:
    fields = section.known(_TDX_KEYS)
    mrtd = section.measurement("MRTD", _TDX_BYTES)
    if mrtd is None:
        section.refuse("MRTD", "a measurement of 48 bytes in hex", "nothing")
    return TdxReferenceValues(
        mrtd=mrtd,
        rtmrs={
            index: value
            for index, key in enumerate(_RTMRS)
            if (value := section.measurement(key, _TDX_BYTES)) is not None
        },
        mrconfigid=section.measurement("MRConfigID", _TDX_BYTES),
        mrowner=section.measurement("MROwner", _TDX_BYTES),
        mrownerconfig=section.measurement("MROwnerConfig", _TDX_BYTES),
        tcb=section.tcb_policy(frozenset()),
        sources=section.sources(fields),
    )


def _sgx(section: Section) -> SgxReferenceValues:
    fields = section.known(_SGX_KEYS)
    section.refuse_both("MRENCLAVE", "UniqueID")
    section.refuse_both("MRSIGNER", "SignerID")
    enclave = section.measurement("MRENCLAVE", _SGX_BYTES) or section.measurement("UniqueID", _SGX_BYTES)
    signer = section.measurement("MRSIGNER", _SGX_BYTES) or section.measurement("SignerID", _SGX_BYTES)
    product, version = section.number("ISVProdID"), section.number("ISVSVN")
    if enclave is None and None in (signer, product, version):
        section.refuse("", "MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN", f"{sorted(fields)}")
    return SgxReferenceValues(
        mrenclave=enclave,
        mrsigner=signer,
        isvprodid=product,
        isvsvn=version,
        tcb=section.tcb_policy(frozenset()),
        sources=section.sources(fields),
    )


def _sev_snp(section: Section) -> ReferenceValues:
    from attestation.sev_snp.claims import SevSnpReferenceValues

    fields = section.known(frozenset({"Measurement", "HostData", "IDKeyDigest", "AuthorKeyDigest"}))
    measurement, id_key = section.measurement("Measurement", _SNP_BYTES), section.measurement("IDKeyDigest", _SNP_BYTES)
    author_key = section.measurement("AuthorKeyDigest", _SNP_BYTES)
    if not any(any(value) for value in (measurement, id_key, author_key) if value is not None):
        section.refuse("", "Measurement, IDKeyDigest or AuthorKeyDigest, not zeros", f"{sorted(fields)}")
    return SevSnpReferenceValues(
        measurement=measurement,
        host_data=section.measurement("HostData", _HOST_DATA_BYTES),
        id_key_digest=id_key,
        author_key_digest=author_key,
        sources=section.sources(fields),
    )


def _nitro(section: Section) -> ReferenceValues:
    from attestation.nitro.claims import NitroReferenceValues
    from attestation.nitro.format import PCR_BYTES

    names = {number: f"PCR{number}" for number in (0, 1, 2, 3, 4, 8)}
    fields = section.known(frozenset(names.values()))
    pcrs = section.registers(names, PCR_BYTES)
    if not any(any(pcrs.get(number, b"")) for number in (0, 1, 2, 8)):
        section.refuse("", "PCR0, PCR1, PCR2 or PCR8, not zeros", f"{sorted(fields)}")
    return NitroReferenceValues(pcrs=pcrs, sources=section.sources(fields))


def _cca(section: Section) -> ReferenceValues:
    from attestation.cca.claims import CcaReferenceValues

    names = {number: f"REM{number}" for number in range(4)}
    fields = section.known(frozenset({"RIM", *names.values()}))
    rim = section.measurement("RIM", *_RIM_BYTES)
    if rim is None:
        section.refuse("RIM", "a measurement in hex", "nothing")
    return CcaReferenceValues(rim=rim, rems=section.registers(names, len(rim)), sources=section.sources(fields))


def _azure_vtpm(section: Section) -> ReferenceValues:
    """The paravisor by its processor, and the machine by its registers."""
    from attestation.azure_vtpm.claims import AzureVtpmReferenceValues
    from attestation.azure_vtpm.tpm import PCR_BYTES

    hardware = ("SEVSNP", "TDX")
    fields = section.known(frozenset({*hardware, *_PCRS.values()}))
    named = [kind for kind in hardware if kind in fields]
    pcrs = section.registers(_PCRS, PCR_BYTES)
    if len(named) != 1 or not pcrs:
        section.refuse("", "SEVSNP or TDX, and at least one PCR", f"{sorted(fields)}")
    inner = PLATFORMS[named[0]](section.section(named[0]))
    return AzureVtpmReferenceValues(hardware=inner, pcrs=pcrs, sources=section.sources(fields))


def read_together(whole: Section) -> list[ReferenceValues]:
    """A processor and its GPUs: with each of the processors that one part of `AllOf` names, all of the GPUs.

    Raises ReferenceFormatError unless there is one part of processors, and at least one of a GPU.
    """
    from attestation.composite.claims import CompositeReferenceValues

    parts = [(part, part.known(frozenset({*PLATFORMS, _GPU})).keys()) for part in whole.sections(TOGETHER)]
    gpus = [part.section(_GPU) for part, keys in parts if keys == {_GPU}]
    processors = [part for part, keys in parts if keys != {_GPU}]
    if len(processors) != 1 or not gpus:
        found = f"{len(processors)} and {len(gpus)}"
        whole.refuse(TOGETHER, f"one part of processors, and one for each GPU ({_GPU})", found)
    [processor] = processors
    kinds = processor.known(frozenset(PLATFORMS))
    if not kinds:
        processor.refuse("", f"one of {', '.join(PLATFORMS)}", "nothing")
    devices = tuple(map(_nvidia_gpu, gpus))
    return [CompositeReferenceValues((read_platform(kind, processor.section(kind)), *devices)) for kind in kinds]


def _nvidia_gpu(section: Section) -> ReferenceValues:
    """A GPU whose driver and VBIOS are as NVIDIA published them."""
    from attestation.nvidia_gpu.claims import NvidiaGpuReferenceValues

    fields = section.known(frozenset({"RIMs", "RequireRevocation"}))
    if fields.get("RIMs") is not True or not isinstance(fields.get("RequireRevocation", False), bool):
        section.refuse("", "RIMs true, and RequireRevocation true or false", f"{sorted(fields)}")
    revocation = bool(fields.get("RequireRevocation", False))
    return NvidiaGpuReferenceValues(revocation=revocation, sources=section.sources(fields))


TOGETHER: Final = "AllOf"
_GPU: Final = "NvidiaGPU"
PLATFORMS: Final[Mapping[str, Callable[[Section], ReferenceValues]]] = {
    "TDX": _tdx,
    "SGX": _sgx,
    "SEVSNP": _sev_snp,
    "Nitro": _nitro,
    "CCA": _cca,
    "AzureVTPM": _azure_vtpm,
}
"""By the names that manifests have for them."""
