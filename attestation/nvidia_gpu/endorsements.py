"""What NVIDIA says about its devices: reference measurements and revocation.  Reading them trusts nothing in them."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attestation.endorsements import from_base64, read_section
from attestation.errors import EndorsementFormatError
from attestation.nvidia_gpu.ocsp import read_answers
from attestation.nvidia_gpu.rim import parse_rim

NAME: Final = "nvidia_gpu"
"""Key of the list in a collateral bundle."""

RIM_ENDING: Final = "_rim.xml"
OCSP_ENDING: Final = "_ocsp_response.dat"


@dataclass(frozen=True, slots=True)
class NvidiaGpuEndorsements:
    """rims: XML documents.  ocsp_responses: DER.  Both in any order, of any device."""

    rims: tuple[bytes, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()

    @staticmethod
    def none() -> "NvidiaGpuEndorsements":
        """Nothing: measurements can be read, but not compared."""
        return NvidiaGpuEndorsements()

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> "NvidiaGpuEndorsements":
        """From files whose names end in `_rim.xml` (RIM) or `_ocsp_response.dat` (base64, as NVIDIA stores them).

        Other files are not looked at.  Raises EndorsementFormatError.
        """
        rims = [_read_rim(raw, name) for name, raw in sorted(files.items()) if name.endswith(RIM_ENDING)]
        answers = [
            _read_response(from_base64(raw.decode("ascii", "replace").strip(), name), name)
            for name, raw in sorted(files.items())
            if name.endswith(OCSP_ENDING)
        ]
        return NvidiaGpuEndorsements(tuple(rims), tuple(answers))

    @staticmethod
    def from_json(items: object) -> "NvidiaGpuEndorsements":
        """From the list in a bundle: objects `{"rim": base64 XML}` or `{"ocsp": base64 DER}`.

        Raises EndorsementFormatError.
        """
        rims: list[bytes] = []
        answers: list[bytes] = []
        for key, raw, place in read_section(items, NAME, ("rim", "ocsp")):
            if key == "rim":
                rims.append(_read_rim(raw, place))
            else:
                answers.append(_read_response(raw, place))
        return NvidiaGpuEndorsements(tuple(rims), tuple(answers))

    def to_json(self) -> list[dict[str, str]]:
        """The list for a bundle; `from_json` reads it."""
        return [
            *({"rim": b64encode(rim).decode()} for rim in self.rims),
            *({"ocsp": b64encode(response).decode()} for response in self.ocsp_responses),
        ]

    def and_those(self, others: "NvidiaGpuEndorsements") -> "NvidiaGpuEndorsements":
        """Both."""
        return NvidiaGpuEndorsements(self.rims + others.rims, self.ocsp_responses + others.ocsp_responses)


def _read_rim(raw: bytes, place: str) -> bytes:
    try:
        parse_rim(raw)
    except EndorsementFormatError as error:
        raise EndorsementFormatError(f"{place}: {error}") from error
    return raw


def _read_response(raw: bytes, place: str) -> bytes:
    try:
        read_answers([raw])
    except EndorsementFormatError as error:
        raise EndorsementFormatError(f"{place}: {error}") from error
    return raw
