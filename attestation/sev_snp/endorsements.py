"""What AMD says about SEV-SNP machines: certificates and revocation lists.  Reading them trusts nothing in them."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from attestation.endorsements import read_section
from attestation.sev_snp.certificate import load_certificates, load_crl

NAME: Final = "sev_snp"
"""Key of the list in a collateral bundle."""

CERTIFICATE_FILES: Final = ("vcek", "vlek", "ask", "asvk", "ark", "cert_chain")
CRL_FILE: Final = "crl"
_SUFFIXES: Final = (".der", ".pem")


@dataclass(frozen=True, slots=True)
class SevSnpEndorsements:
    """certificates: of any role, in any order, DER.  crls: of any product, DER."""

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()

    @staticmethod
    def none() -> "SevSnpEndorsements":
        """Nothing: only an extended report that carries its certificates can be verified with it."""
        return SevSnpEndorsements()

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> "SevSnpEndorsements":
        """From files with the names of AMD's parts (vcek.der, vlek.der, ask.der, asvk.der, ark.der, cert_chain.pem,
        crl.der; each also with the other ending); other files are not looked at.

        Raises EndorsementFormatError.
        """
        named = {f"{stem}{suffix}": stem for stem in (*CERTIFICATE_FILES, CRL_FILE) for suffix in _SUFFIXES}
        certificates: list[bytes] = []
        crls: list[bytes] = []
        for name, stem in named.items():
            if name not in files:
                continue
            if stem == CRL_FILE:
                crls.append(load_crl(files[name], name).public_bytes(Encoding.DER))
            else:
                certificates += (c.public_bytes(Encoding.DER) for c in load_certificates(files[name], name))
        return SevSnpEndorsements(tuple(certificates), tuple(crls))

    @staticmethod
    def from_json(items: object) -> "SevSnpEndorsements":
        """From the list in a bundle: objects `{"certificate": base64 DER}` or `{"crl": base64 DER}`.

        Raises EndorsementFormatError.
        """
        certificates: list[bytes] = []
        crls: list[bytes] = []
        for key, raw, place in read_section(items, NAME, ("certificate", "crl")):
            if key == "certificate":
                certificates += (c.public_bytes(Encoding.DER) for c in load_certificates(raw, place))
            else:
                crls.append(load_crl(raw, place).public_bytes(Encoding.DER))
        return SevSnpEndorsements(tuple(certificates), tuple(crls))

    def to_json(self) -> list[dict[str, str]]:
        """The list for a bundle; `from_json` reads it."""
        return [
            *({"certificate": b64encode(certificate).decode()} for certificate in self.certificates),
            *({"crl": b64encode(crl).decode()} for crl in self.crls),
        ]

    def and_those(self, others: "SevSnpEndorsements") -> "SevSnpEndorsements":
        """Both."""
        return SevSnpEndorsements(self.certificates + others.certificates, self.crls + others.crls)
