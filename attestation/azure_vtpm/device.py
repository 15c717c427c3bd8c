"""How do we ask the machine?  The vTPM through tpm2-tools, the rest from Azure's instance metadata service.

Source: Azure guest attestation: NV index 0x01400001 holds the HCL report, 0x01400002 takes user data, the attestation
key is at 0x81000003; instance metadata: /metadata/THIM/amd/certification and /acc/tdquote.
"""

import json
import subprocess
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import which
from typing import Final
from urllib.error import URLError
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.serialization import Encoding

from attestation.azure_vtpm.format import encode_container, parse_hcl_report
from attestation.azure_vtpm.tpm import MAX_PCRS, PCR_BYTES
from attestation.binding import vtpm_nonce, whole_report_data
from attestation.errors import EndorsementFormatError, EvidenceFormatError, NoDevice
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.certificate import load_certificates
from attestation.sev_snp.format import TableEntry, encode_table

TPM: Final = Path("/dev/tpmrm0")
METADATA: Final = "http://169.254.169.254"
HCL_REPORT_INDEX: Final = "0x01400001"
ATTESTATION_KEY: Final = "0x81000003"
TDREPORT_BYTES: Final = 1024

Run = Callable[[Sequence[str]], None]
Fetch = Callable[[str, bytes | None], bytes]


class AzureVtpmDevice:
    """Asks the paravisor's vTPM, and the metadata service for what the hardware's evidence needs besides."""

    kind: Final = Kind.AZURE_VTPM

    def __init__(self, tpm: Path = TPM, run: Run | None = None, fetch: Fetch | None = None) -> None:
        """run: a program of tpm2-tools.  fetch: a path of the metadata service, with a body for POST."""
        self._tpm = tpm
        self._run = run or _run
        self._fetch = fetch or _fetch

    def usable(self) -> str:
        """Empty, or why not."""
        if not self._tpm.exists():
            return f"{self._tpm} is not there"
        if self._run is _run and which("tpm2_quote") is None:
            return "tpm2-tools are not installed (tpm2_quote)"
        with tempfile.TemporaryDirectory() as folder:
            try:
                parse_hcl_report(self._hcl_report(Path(folder)))
            except (NoDevice, EvidenceFormatError) as error:
                return f"no HCL report in the vTPM: {error}"
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        """vTPM evidence whose nonce is the SHA-256 of 64 bytes of report data.

        Raises NoDevice if the vTPM or the metadata service does not answer as it should.
        """
        whole_report_data(report_data)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            report = self._hcl_report(folder)
            try:
                hcl = parse_hcl_report(report)
            except EvidenceFormatError as error:
                raise NoDevice(f"vTPM: {error}") from error
            message, signature, pcrs = self._quote(folder, vtpm_nonce(report_data))
        if hcl.kind is Kind.TDX:
            td_quote, table = self._td_quote(hcl.hardware_report[:TDREPORT_BYTES]), b""
        else:
            td_quote, table = b"", self._certificate_table()
        raw = encode_container(report, message, signature, pcrs, td_quote=td_quote, certificate_table=table)
        return Evidence(Kind.AZURE_VTPM, raw)

    def _hcl_report(self, folder: Path) -> bytes:
        place = folder / "hcl_report.bin"
        self._run(("tpm2_nvread", "-C", "o", "-o", str(place), HCL_REPORT_INDEX))
        return _read(place)

    def _quote(self, folder: Path, nonce: bytes) -> tuple[bytes, bytes, dict[int, bytes]]:
        """Quote, signature, and the PCRs that the tool wrote with it."""
        message, signature, values = (folder / name for name in ("quote.msg", "quote.sig", "pcrs.bin"))
        selection = "sha256:" + ",".join(str(number) for number in range(MAX_PCRS))
        options = ("-q", nonce.hex(), "-m", str(message), "-s", str(signature), "-f", "plain")
        self._run(("tpm2_quote", "-c", ATTESTATION_KEY, "-l", selection, "-g", "sha256", *options))
        self._run(("tpm2_pcrread", selection, "-o", str(values)))
        raw = _read(values)
        if len(raw) != MAX_PCRS * PCR_BYTES:
            raise NoDevice(f"tpm2_pcrread: expected {MAX_PCRS * PCR_BYTES} bytes, got {len(raw)}")
        pcrs = {number: raw[number * PCR_BYTES : (number + 1) * PCR_BYTES] for number in range(MAX_PCRS)}
        return _read(message), _read(signature), pcrs

    def _td_quote(self, td_report: bytes) -> bytes:
        body = json.dumps({"report": urlsafe_b64encode(td_report).rstrip(b"=").decode()}).encode()
        answer = self._fetch("/acc/tdquote", body)
        try:
            text = json.loads(answer)["quote"]
            return urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (ValueError, TypeError, KeyError) as error:
            raise NoDevice(f"{METADATA}/acc/tdquote: expected a quote, got {error!r:.80}") from error

    def _certificate_table(self) -> bytes:
        """VCEK and its chain, in the form in which an extended report carries them."""
        place = "/metadata/THIM/amd/certification"
        try:
            answer = json.loads(self._fetch(place, None))
            leaf = load_certificates(answer["vcekCert"].encode(), "vcekCert")
            chain = load_certificates(answer["certificateChain"].encode(), "certificateChain")
        except (ValueError, TypeError, KeyError, AttributeError, EndorsementFormatError) as error:
            raise NoDevice(f"{METADATA}{place}: expected certificates, got {error!r:.80}") from error
        entries = [(TableEntry.VCEK, certificate.public_bytes(Encoding.DER)) for certificate in leaf[:1]]
        for certificate in chain:
            guid = TableEntry.ARK if certificate.subject == certificate.issuer else TableEntry.ASK
            entries.append((guid, certificate.public_bytes(Encoding.DER)))
        return encode_table(tuple(entries))


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise NoDevice(f"{place.name}: expected tpm2-tools to write it, got {error.strerror}") from error


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
    except FileNotFoundError as error:
        raise NoDevice(f"{command[0]}: not installed (tpm2-tools)") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip()
        raise NoDevice(f"{command[0]}: expected exit status 0, got {error.returncode}: {said:.200}") from error
    except subprocess.TimeoutExpired as error:
        raise NoDevice(f"{command[0]}: expected an answer within {_SECONDS} s, got none") from error


def _fetch(path: str, body: bytes | None) -> bytes:
    headers = {"Metadata": "true"} | ({"Content-Type": "application/json"} if body is not None else {})
    try:
        with urlopen(Request(METADATA + path, data=body, headers=headers), timeout=_SECONDS) as answer:
            content: bytes = answer.read(_MAX_ANSWER_BYTES)
    except (URLError, OSError) as error:
        raise NoDevice(f"{METADATA}{path}: expected an answer, got {error}") from error
    return content


_SECONDS: Final = 10
_MAX_ANSWER_BYTES: Final = 256 * 1024
