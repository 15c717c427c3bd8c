"""What has to be known of a program on each platform, and who says it."""

from collections.abc import Mapping, Sequence
from typing import Final

from attestation.kinds import Kind
from coordinator.draft.commented import Entry, Map
from coordinator.draft.model import Platform, question

PROCESSORS: Final = (Kind.TDX, Kind.SGX, Kind.SEV_SNP, Kind.NITRO, Kind.CCA, Kind.AZURE_VTPM)
WITH_GPU: Final = (Kind.TDX, Kind.SEV_SNP, Kind.CCA, Kind.AZURE_VTPM)
"""Processors that a manifest combines with GPUs."""


def package(platforms: Sequence[Platform], told: set[Kind]) -> Map:
    """Fields of a package: each platform beside the others; those with a GPU as AllOf.

    told: platforms that are explained already; those of this package are added.
    """
    alone = [platform for platform in platforms if not platform.gpu]
    paired = [platform for platform in platforms if platform.gpu]
    entries = [_section(platform, told) for platform in alone]
    if paired:
        processor = Map(tuple(_section(platform, told) for platform in paired))
        gpu = Map((Entry("NvidiaGPU", Map((Entry("RIMs", True, (_RIMS,)),))),))
        entries.append(Entry("AllOf", (processor, gpu), ("Processor and GPU have to prove themselves together.",)))
    return Map(tuple(entries))


def _section(platform: Platform, told: set[Kind]) -> Entry:
    section, fields, above = _WANTED[platform.kind]
    said = () if platform.kind in told else above
    told.add(platform.kind)
    return Entry(section, Map(tuple(_fields(fields, platform.fields))), said)


def _fields(wanted: Mapping[str, "str | Mapping[str, str]"], known: Mapping[str, str]) -> list[Entry]:
    entries = [
        Entry(name, known.get(name, question(what)) if isinstance(what, str) else Map(tuple(_fields(what, known))))
        for name, what in wanted.items()
    ]
    return entries + [Entry(name, value) for name, value in known.items() if name not in wanted]


_RIMS: Final = "Driver and VBIOS as NVIDIA published them; MinimumDriver and Models narrow it."
_WANTED: Final[Mapping[Kind, tuple[str, Mapping[str, str | Mapping[str, str]], tuple[str, ...]]]] = {
    Kind.TDX: (
        "TDX",
        {
            "MRTD": "measurement of the firmware, 96 hex digits",
            "RTMR1": "measurement of the kernel, 96 hex digits",
            "RTMR2": "measurement of command line and initial file system, 96 hex digits",
        },
        (
            "Your image build prints these. Simulated hardware (`enclasp manifest measure COMMAND`) has MRTD only: "
            "leave RTMR1 and RTMR2 out there.",
        ),
    ),
    Kind.SGX: (
        "SGX",
        {"MRENCLAVE": "measurement of the enclave, 64 hex digits"},
        ("`enclasp manifest measure --sigstruct FILE` prints it; MRSIGNER, ISVProdID, ISVSVN allow successors.",),
    ),
    Kind.SEV_SNP: (
        "SEVSNP",
        {"Measurement": "launch measurement, 96 hex digits"},
        ("Of firmware, kernel, initial file system and command line; your image build or sev-snp-measure prints it.",),
    ),
    Kind.NITRO: (
        "Nitro",
        {
            "PCR0": "measurement of the image, 96 hex digits",
            "PCR1": "measurement of kernel and boot ramdisk, 96 hex digits",
            "PCR2": "measurement of the application, 96 hex digits",
        },
        ("`nitro-cli build-enclave` prints these.",),
    ),
    Kind.CCA: ("CCA", {"RIM": "initial measurement of the realm, 64, 96 or 128 hex digits"}, ()),
    Kind.AZURE_VTPM: (
        "AzureVTPM",
        {
            "SEVSNP": {"Measurement": "launch measurement of Azure's paravisor, 96 hex digits"},
            "PCR11": "measurement of your unified kernel image, 64 hex digits",
        },
        ("The processor measures the paravisor, and its vTPM your image.",),
    ),
}
