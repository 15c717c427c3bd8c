"""Did Intel say this?  Collateral is verified once; only its dates are compared again each time.

Source: Intel SGX ECDSA QuoteLibReference DCAP API, quote verification, and Intel PCS API v4.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from attestation import codes
from attestation.anchors import MALFORMED, Anchor, TrustAnchors, common_name, is_crl_of
from attestation.chain import Path, Window, build_path, read_pem_chain
from attestation.checks import Check, settled
from attestation.dcap.signature import is_signed_by, p256_key
from attestation.dcap.tcb_documents import QeIdentity, TcbInfo, parse_qe_identity, parse_tcb_info
from attestation.endorsements import DcapCollateral
from attestation.errors import EndorsementFormatError

TCB_SIGNING: Final = "Intel SGX TCB Signing"
_PCS: Final = "Intel PCS API v4"
_CRL_PROFILE: Final = "Intel SGX PCK Certificate and CRL Profile Specification"


@dataclass(frozen=True, slots=True)
class DatedWindow:
    """A check that depends on the time only.  found: the window in words, made once."""

    name: str
    window: Window
    found: str

    def at(self, now: datetime, expected: str) -> Check:
        """The check at this time, which `expected` says in words."""
        return settled(self.window.holds(now), self.name, expected, self.found, _PCS, codes.COLLATERAL_DATES)


@dataclass(frozen=True, slots=True)
class VerifiedCollateral:
    """What holds of collateral at any time, and what must be compared with the time.

    revoked: (issuer, serial number) of every revoked certificate.  Documents are None where they could not be read.
    anchor: the one that all parts lead to; None unless they all do.
    """

    checks: tuple[Check, ...]
    windows: tuple[DatedWindow, ...]
    anchor: Anchor | None
    revoked: frozenset[tuple[x509.Name, int]]
    tcb_info: TcbInfo | None
    qe_identity: QeIdentity | None

    def checks_at(self, now: datetime) -> tuple[Check, ...]:
        """Every check, at this time."""
        expected = f"valid at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return self.checks + tuple(dated.at(now, expected) for dated in self.windows)


def verify_collateral(collateral: DcapCollateral, anchors: TrustAnchors) -> VerifiedCollateral:
    """Signatures, chains, signer roles and revocation of every part."""
    findings = _Findings(anchors)
    root_revoked = findings.root_crl(collateral.root_ca_crl)
    pck_revoked = findings.pck_crl(collateral.pck_crl, collateral.pck_crl_issuer_chain, root_revoked)
    tcb_info = qe_identity = None
    name, place = "collateral.tcb-info", f"{_PCS}, Get TCB Info"
    if findings.document(
        name, place, collateral.tcb_info, collateral.tcb_info_signature, collateral.tcb_info_issuer_chain, root_revoked
    ):
        tcb_info = findings.read_tcb_info(collateral.tcb_info)
    name, place = "collateral.qe-identity", f"{_PCS}, Get Quoting Enclave Identity"
    chain = collateral.qe_identity_issuer_chain
    if findings.document(name, place, collateral.qe_identity, collateral.qe_identity_signature, chain, root_revoked):
        qe_identity = findings.read_qe_identity(collateral.qe_identity)
    return VerifiedCollateral(
        checks=(*findings.checks, findings.one_anchor()),
        windows=tuple(findings.windows),
        anchor=findings.common_anchor(),
        revoked=root_revoked | pck_revoked,
        tcb_info=tcb_info,
        qe_identity=qe_identity,
    )


class _Findings:
    """Collects checks, windows and anchors while the parts are verified."""

    def __init__(self, anchors: TrustAnchors) -> None:
        self._anchors = anchors
        self._found: list[Anchor | None] = []
        self.checks: list[Check] = []
        self.windows: list[DatedWindow] = []

    def common_anchor(self) -> Anchor | None:
        """The anchor of all parts, if there is one."""
        first = self._found[0] if self._found else None
        return first if all(anchor is first for anchor in self._found) else None

    def one_anchor(self) -> Check:
        """All parts of collateral lead to one anchor: a simulated vendor cannot add to a genuine one's."""
        words = sorted({anchor.words if anchor else "no trust anchor" for anchor in self._found})
        return settled(
            self.common_anchor() is not None,
            "collateral.anchor",
            "one trust anchor for all parts",
            ", ".join(words),
            f"{_PCS}, certificate chains",
            codes.UNKNOWN_ROOT,
        )

    def root_crl(self, raw: bytes) -> frozenset[tuple[x509.Name, int]]:
        """Verify the root's revocation list; gives what it revokes."""
        crl = _read_crl(raw)
        anchor = self._anchors.signer_of(crl) if crl is not None else None
        self._found.append(anchor)
        self._signed("collateral.root-crl", crl, anchor is not None, "a trust anchor")
        return self._revocations(crl, "collateral.root-crl-dates", "root CRL") if anchor else frozenset()

    def pck_crl(
        self, raw: bytes, chain: bytes, root_revoked: frozenset[tuple[x509.Name, int]]
    ) -> frozenset[tuple[x509.Name, int]]:
        """Verify the revocation list for PCK certificates and its issuer; gives what it revokes."""
        crl = _read_crl(raw)
        certificates = self._chain("collateral.pck-crl-issuer", chain)
        issuer = next((c for c in certificates if crl is not None and is_crl_of(crl, c)), None)
        self._signed("collateral.pck-crl", crl, issuer is not None, "a certificate of its issuer chain")
        if issuer is None:
            self._found.append(None)
            return frozenset()
        self._path("collateral.pck-crl-issuer", build_path(issuer, certificates, self._anchors), root_revoked)
        return self._revocations(crl, "collateral.pck-crl-dates", "PCK CRL")

    def document(
        self,
        name: str,
        place: str,
        body: bytes,
        signature: bytes,
        chain: bytes,
        root_revoked: frozenset[tuple[x509.Name, int]],
    ) -> bool:
        """Verify a signed JSON document and its signer; True if its signature holds."""
        certificates = self._chain(f"{name}-signer", chain)
        signer = next((c for c in certificates if common_name(c.subject) == TCB_SIGNING), None)
        role = signer or next((c for c in certificates if c.subject != c.issuer), None)
        self.checks.append(
            settled(
                signer is not None,
                f"{name}-signer-role",
                f"signed by '{TCB_SIGNING}'",
                f"'{common_name(role.subject)}'" if role else "no certificate",
                place,
                codes.SIGNER_ROLE,
            )
        )
        key = p256_key(signer) if signer else None
        holds = key is not None and is_signed_by(key, signature, body)
        self.checks.append(
            settled(
                holds,
                f"{name}-signature",
                f"a signature by '{TCB_SIGNING}' over the document's bytes",
                "it holds" if holds else "it does not hold",
                place,
                codes.COLLATERAL_SIGNATURE,
            )
        )
        if signer is None:
            self._found.append(None)
        else:
            self._path(f"{name}-signer", build_path(signer, certificates, self._anchors), root_revoked)
        return holds

    def read_tcb_info(self, raw: bytes) -> TcbInfo | None:
        """Parse a TCB info whose signature holds."""
        try:
            info = parse_tcb_info(raw)
        except EndorsementFormatError as error:
            self._unreadable("collateral.tcb-info-format", "TCB info of version 2 or 3", str(error))
            return None
        self._dated("collateral.tcb-info-dates", Window("TCB info", info.issue_date, info.next_update))
        return info

    def read_qe_identity(self, raw: bytes) -> QeIdentity | None:
        """Parse a QE identity whose signature holds."""
        try:
            identity = parse_qe_identity(raw)
        except EndorsementFormatError as error:
            self._unreadable("collateral.qe-identity-format", "QE identity of version 2", str(error))
            return None
        self._dated("collateral.qe-identity-dates", Window("QE identity", identity.issue_date, identity.next_update))
        return identity

    def _chain(self, name: str, raw: bytes) -> tuple[x509.Certificate, ...]:
        try:
            return read_pem_chain(raw)
        except EndorsementFormatError as error:
            self._unreadable(f"{name}-format", "a certificate chain in PEM", str(error))
            return ()

    def _dated(self, name: str, window: Window) -> None:
        self.windows.append(DatedWindow(name, window, str(window)))

    def _unreadable(self, name: str, expected: str, found: str) -> None:
        self.checks.append(settled(False, name, expected, found, _PCS, codes.COLLATERAL_FORMAT))

    def _path(self, name: str, path: Path, root_revoked: frozenset[tuple[x509.Name, int]]) -> None:
        """Record that a path leads to an anchor, is not revoked by the root, and when it is valid."""
        self._found.append(path.anchor)
        found = path.anchor.words if path.anchor else path.problem
        revoked = root_revoked.intersection(path.serials)
        self.checks.append(
            settled(
                path.anchor is not None,
                f"{name}-chain",
                "a chain to a trust anchor",
                found,
                _PCS,
                path.code or codes.CHAIN,
            )
        )
        self.checks.append(
            settled(
                not revoked,
                f"{name}-revocation",
                "no certificate on the root CRL",
                f"serial number {next(iter(revoked))[1]:x} is revoked" if revoked else "none is revoked",
                _CRL_PROFILE,
                codes.REVOKED,
            )
        )
        for window in path.windows:
            self._dated(f"{name}-validity", window)

    def _signed(self, name: str, crl: x509.CertificateRevocationList | None, holds: bool, by: str) -> None:
        if crl is None:
            self._unreadable(name, "a revocation list in DER", "bytes that are none")
            return
        found = f"list of '{common_name(crl.issuer)}', " + ("signed so" if holds else "not signed so")
        self.checks.append(
            settled(holds, name, f"signed by {by}", found, _CRL_PROFILE, codes.COLLATERAL_SIGNATURE),
        )

    def _revocations(
        self, crl: x509.CertificateRevocationList | None, name: str, what: str
    ) -> frozenset[tuple[x509.Name, int]]:
        """(issuer, serial) of every entry; a list without nextUpdate is refused as undated."""
        if crl is None:
            return frozenset()
        next_update = crl.next_update_utc
        if next_update is None:
            self._unreadable(name, f"{what} with nextUpdate", "none")
            return frozenset()
        self._dated(name, Window(what, crl.last_update_utc, next_update))
        return frozenset((crl.issuer, revoked.serial_number) for revoked in crl)


def _read_crl(raw: bytes) -> x509.CertificateRevocationList | None:
    try:
        crl = x509.load_der_x509_crl(raw)
        _ = crl.issuer, crl.last_update_utc, crl.next_update_utc, [r.serial_number for r in crl]
    except MALFORMED:
        return None
    return crl
