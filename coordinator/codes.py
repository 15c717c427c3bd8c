"""Every message code, in one table.  Each room has its own (`codes.py`: code -> title, hint); here they meet.

E0xx manifest, V1xx evidence of any platform, V2xx of one platform, V3xx policy on evidence and people, A2xx activation,
N3xx network and collateral, R4xx sealing and recovery, R5xx replicas, U5xx people and updates (design.md, 9), K6xx
Kubernetes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from attestation.azure_vtpm.codes import CODES as AZURE_VTPM
from attestation.cca.codes import CODES as CCA
from attestation.codes import CODES as ATTESTATION
from attestation.composite.codes import CODES as COMPOSITE
from attestation.ear import CODES as EAR
from attestation.fetch.codes import CODES as FETCH
from attestation.nitro.codes import CODES as NITRO
from attestation.nvidia_gpu.codes import CODES as NVIDIA_GPU
from attestation.sev_snp.codes import CODES as SEV_SNP
from attestation.tdx.codes import CODES as TDX
from attestation.waivers import CODES as WAIVERS
from coordinator.admission.codes import CODES as ADMISSION
from coordinator.client.codes import CODES as CLIENT
from coordinator.cluster.codes import CODES as CLUSTER
from coordinator.controller.codes import CODES as CONTROLLER
from coordinator.decisions.errors import CODES as DECISIONS
from coordinator.doors.listen import LISTENING
from coordinator.draft.codes import CODES as DRAFT
from coordinator.errors import RoomCodes
from coordinator.journal.codes import CODES as JOURNAL
from coordinator.kubernetes.codes import CODES as KUBERNETES
from coordinator.manifest.codes import CODES as MANIFEST
from coordinator.recovery.codes import CODES as RECOVERY
from marble.codes import CODES as MARBLE

FAMILIES: Final[Mapping[str, str]] = {
    "E0": "manifest",
    "V1": "verification of evidence",
    "V2": "verification of evidence of one platform",
    "V3": "policy on evidence and on people",
    "A2": "activation of a marble",
    "N3": "network and collateral",
    "R4": "sealing and recovery",
    "R5": "replicas",
    "U5": "people, files and updates",
    "K6": "Kubernetes",
}


@dataclass(frozen=True, slots=True)
class Message:
    """title: one line, what it means.  hint: what to do next."""

    code: str
    title: str
    hint: str

    @property
    def family(self) -> str:
        """What codes of this kind are about, in words."""
        return FAMILIES[self.code[:2]]


def merge(tables: Iterable[RoomCodes]) -> Mapping[str, Message]:
    """One table of all rooms' codes, in the order of the codes.  Raises ValueError if two rooms use one code."""
    merged: dict[str, Message] = {}
    for table in tables:
        for code, (title, hint) in table.items():
            known = merged.get(code)
            if known is not None and (known.title, known.hint) != (title, hint):
                raise ValueError(f"message code {code}: two meanings, '{known.title}' and '{title}'")
            merged[code] = Message(code, title, hint)
    return dict(sorted(merged.items()))


_COMMAND_LINE: Final[RoomCodes] = {
    "U501": (
        "a file cannot be read or written",
        "check its name, your permissions and the free space",
    ),
    "U502": (
        "these bytes are no evidence that this version knows",
        "it reads SGX and TDX quotes (version 3 to 5, with or without an Open Enclave header), SEV-SNP reports, Nitro "
        "documents, CCA tokens, and NVIDIA's and Azure's evidence, as a file or a folder",
    ),
    "U503": (
        "a certificate cannot be read",
        "expected is PEM: blocks that begin with -----BEGIN CERTIFICATE-----",
    ),
    "U504": (
        "reference values are missing",
        "without them any genuine program would do; a development coordinator writes `reference.yaml` into its "
        "state directory, a release comes with its own (MarbleRun's era-config.json is read too)",
    ),
    "U505": (
        "this part of Enclasp is not installed",
        "install it with its extra, for example: pip install 'enclasp[coordinator]'",
    ),
    "U506": (
        "a document of reference values cannot be used",
        "it has the grammar of one package of a manifest: TDX: {MRTD: ...} or SGX: {MRENCLAVE: ...}",
    ),
    "U507": (
        "the configuration is refused",
        "docs/cli.md has every setting with its default, and every variable",
    ),
    "U561": (
        "a PKCS#11 token does not answer",
        "check the library, the labels of token and key, the PIN, and that the token may decrypt and sign",
    ),
    LISTENING: (
        "the coordinator cannot listen on an address",
        "stop what listens there, or choose another: `client`, `mesh` or `prometheus` in the configuration file, or "
        "EDG_COORDINATOR_CLIENT_ADDR, EDG_COORDINATOR_MESH_ADDR, EDG_COORDINATOR_PROMETHEUS_ADDR",
    ),
    "U508": (
        "the message code is not known",
        "codes look like V130; `enclasp explain --all` prints all of them",
    ),
    "U509": (
        "evidence, endorsements or a trust anchor cannot be used",
        "take the file as its maker wrote it; `enclasp evidence show` and `enclasp collateral show` read such files",
    ),
    "U510": (
        "the command line is wrong",
        "`--help` after the command shows what it takes",
    ),
    "U572": (
        "a file is no request to read secrets",
        "`enclasp secret requests --request ID --out FILE` writes one as it is to be signed",
    ),
    "U540": (
        "the folder for simulated evidence is not empty",
        "name a folder that does not exist yet, or an empty one",
    ),
}

MESSAGES: Final[Mapping[str, Message]] = merge(
    (
        ATTESTATION,
        SEV_SNP,
        NITRO,
        CCA,
        NVIDIA_GPU,
        AZURE_VTPM,
        COMPOSITE,
        WAIVERS,
        TDX,
        EAR,
        FETCH,
        MANIFEST,
        DRAFT,
        DECISIONS,
        MARBLE,
        JOURNAL,
        RECOVERY,
        CLIENT,
        ADMISSION,
        KUBERNETES,
        CLUSTER,
        CONTROLLER,
        _COMMAND_LINE,
    )
)
