"""The faults that a sample of simulated evidence can have, and the check that refuses each: the one table of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attestation.kinds import Kind


@dataclass(frozen=True, slots=True)
class Fault:
    """words: what is wrong.  checks: platform to the check that then does not pass.

    missing: platforms where something is only missing then, so that the verdict is "none", not "contraindicated".
    """

    words: str
    checks: Mapping[Kind, str]
    missing: frozenset[Kind] = frozenset()


def _intel(check: str) -> dict[Kind, str]:
    return dict.fromkeys((Kind.SGX, Kind.TDX), check)


FAULTS: Final[Mapping[str, Fault]] = {
    "report-data": Fault(
        "made for another key, or for another nonce where it has no other place",
        dict.fromkeys(Kind, "binding.report-data") | {Kind.COMPOSITE: "tdx/binding.report-data"},
    ),
    "nonce": Fault("made for another nonce", {Kind.NITRO: "binding.nonce"}),
    "signature": Fault(
        "one bit of the signature is changed",
        _intel("quote.signature")
        | {
            Kind.SEV_SNP: "sev-snp.signature",
            Kind.NITRO: "nitro.signature",
            Kind.CCA: "cca.realm-signature",
            Kind.NVIDIA_GPU: "gpu.signature",
            Kind.AZURE_VTPM: "azure-vtpm.quote-signature",
            Kind.COMPOSITE: "tdx/quote.signature",
        },
    ),
    "altered": Fault(
        "one bit of a measurement is changed after it was signed",
        _intel("quote.signature")
        | {
            Kind.SEV_SNP: "sev-snp.signature",
            Kind.NITRO: "nitro.signature",
            Kind.CCA: "cca.realm-signature",
            Kind.NVIDIA_GPU: "gpu.signature",
            Kind.AZURE_VTPM: "azure-vtpm.pcr-digest",
            Kind.COMPOSITE: "nvidia-gpu/gpu.signature",
        },
    ),
    "other-program": Fault(
        "another program, or other firmware of a GPU",
        {
            Kind.SGX: "sgx.mrenclave",
            Kind.TDX: "tdx.mrtd",
            Kind.SEV_SNP: "sev-snp.measurement",
            Kind.NITRO: "nitro.pcr0",
            Kind.CCA: "cca.rim",
            Kind.NVIDIA_GPU: "gpu.measurements",
            Kind.AZURE_VTPM: "azure-vtpm.pcr11",
            Kind.COMPOSITE: "tdx/tdx.mrtd",
        },
    ),
    "debug": Fault(
        "the host can look into the program",
        {
            Kind.SGX: "sgx.debug",
            Kind.TDX: "tdx.debug",
            Kind.SEV_SNP: "sev-snp.debug",
            Kind.NITRO: "nitro.debug",
            Kind.CCA: "cca.lifecycle",
            Kind.AZURE_VTPM: "sev-snp.debug",
            Kind.COMPOSITE: "tdx/tdx.debug",
        },
    ),
    "migratable": Fault(
        "the host may move the program to another machine",
        {
            Kind.TDX: "tdx.migratable",
            Kind.SEV_SNP: "sev-snp.migration-agent",
            Kind.AZURE_VTPM: "sev-snp.migration-agent",
            Kind.COMPOSITE: "tdx/tdx.migratable",
        },
    ),
    "old-tcb": Fault(
        "a machine whose firmware is out of date",
        _intel("tcb.status")
        | {
            Kind.SEV_SNP: "sev-snp.reported-tcb-snp",
            Kind.AZURE_VTPM: "sev-snp.reported-tcb-snp",
            Kind.COMPOSITE: "tdx/tcb.status",
        },
    ),
    "revoked-tcb": Fault(
        "a machine at a patch level that its vendor has revoked",
        _intel("tcb.level") | {Kind.COMPOSITE: "tdx/tcb.level"},
    ),
    "other-tcb": Fault(
        "a machine at another patch level than its vendor knows, or certified",
        _intel("tcb.level")
        | {Kind.SEV_SNP: "sev-snp.tcb", Kind.AZURE_VTPM: "sev-snp.tcb", Kind.COMPOSITE: "tdx/tcb.level"},
    ),
    "unknown-module": Fault(
        "a TDX module that Intel does not list",
        {Kind.TDX: "tdx.module", Kind.COMPOSITE: "tdx/tdx.module"},
    ),
    "other-machine": Fault(
        "signed by, or for, another machine than the certificates are of",
        _intel("qe.report-signature")
        | {
            Kind.SEV_SNP: "sev-snp.chip-id",
            Kind.NITRO: "nitro.chain",
            Kind.CCA: "cca.platform-signature",
            Kind.NVIDIA_GPU: "gpu.signature",
            Kind.AZURE_VTPM: "sev-snp.chip-id",
            Kind.COMPOSITE: "nvidia-gpu/gpu.signature",
        },
        missing=frozenset({Kind.CCA}),
    ),
    "wrong-binding": Fault(
        "parts that do not belong together: key and enclave, realm and platform, GPU and processor",
        _intel("qe.attestation-key-binding")
        | {
            Kind.CCA: "cca.realm-binding",
            Kind.NVIDIA_GPU: "gpu.firmware-id",
            Kind.AZURE_VTPM: "azure-vtpm.runtime-data",
            Kind.COMPOSITE: "nvidia-gpu/binding.report-data",
        },
    ),
    "other-quoting-enclave": Fault(
        "a quoting enclave of another signer than Intel",
        _intel("qe.identity.mrsigner") | {Kind.COMPOSITE: "tdx/qe.identity.mrsigner"},
    ),
    "masked-key": Fault("the chip's key is masked", {Kind.SEV_SNP: "sev-snp.signing-key"}),
    "privilege": Fault(
        "asked for by the guest instead of the paravisor below it",
        {Kind.AZURE_VTPM: "azure-vtpm.vmpl"},
    ),
    "stale": Fault("a document of two hours ago", {Kind.NITRO: "nitro.max-age"}),
    "repeated": Fault("one GPU twice", {Kind.COMPOSITE: "composite.devices"}),
    "revoked": Fault(
        "a certificate of the machine is revoked",
        _intel("pck.crl")
        | {
            Kind.SEV_SNP: "sev-snp.crl",
            Kind.NVIDIA_GPU: "gpu.revocation",
            Kind.AZURE_VTPM: "sev-snp.crl",
            Kind.COMPOSITE: "tdx/pck.crl",
        },
    ),
    "expired-certificate": Fault(
        "a certificate of the machine has expired",
        _intel("pck.validity")
        | {
            Kind.SEV_SNP: "sev-snp.validity",
            Kind.NITRO: "nitro.validity",
            Kind.CCA: "cca.cpak-validity",
            Kind.NVIDIA_GPU: "gpu.validity",
            Kind.AZURE_VTPM: "sev-snp.validity",
            Kind.COMPOSITE: "tdx/pck.validity",
        },
    ),
    "expired-collateral": Fault(
        "the vendor's endorsements are older than they may be",
        _intel("collateral.tcb-info-dates")
        | {
            Kind.SEV_SNP: "sev-snp.crl",
            Kind.AZURE_VTPM: "sev-snp.crl",
            Kind.COMPOSITE: "tdx/collateral.tcb-info-dates",
        },
    ),
    "altered-collateral": Fault(
        "one bit of the vendor's endorsements is changed",
        _intel("collateral.tcb-info-signature")
        | {Kind.NVIDIA_GPU: "rim.driver.signature", Kind.COMPOSITE: "tdx/collateral.tcb-info-signature"},
    ),
    "expired-rim": Fault(
        "the certificate that signs the reference measurements has expired",
        {Kind.NVIDIA_GPU: "rim.driver.validity", Kind.COMPOSITE: "nvidia-gpu/rim.driver.validity"},
        missing=frozenset(Kind),
    ),
    "no-collateral": Fault(
        "the vendor's endorsements are left out",
        _intel("collateral")
        | {
            Kind.SEV_SNP: "sev-snp.chain",
            Kind.CCA: "cca.platform-signature",
            Kind.NVIDIA_GPU: "rim.driver",
            Kind.AZURE_VTPM: "sev-snp.chain",
            Kind.COMPOSITE: "tdx/collateral",
        },
        missing=frozenset(Kind),
    ),
    "unknown-root": Fault(
        "another simulated vendor's, whose root nobody trusts",
        _intel("anchor.class")
        | {
            Kind.SEV_SNP: "sev-snp.chain",
            Kind.NITRO: "anchor.class",
            Kind.CCA: "anchor.class",
            Kind.NVIDIA_GPU: "gpu.chain",
            Kind.AZURE_VTPM: "sev-snp.chain",
            Kind.COMPOSITE: "nvidia-gpu/gpu.chain",
        },
    ),
}


def faults_of(kind: Kind) -> tuple[str, ...]:
    """The names of the faults that a platform's evidence can have."""
    return tuple(name for name, fault in FAULTS.items() if kind in fault.checks)
