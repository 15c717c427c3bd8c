"""How do we ask Gramine?  Its pseudo-files under /dev/attestation.

Source: Gramine documentation, "Attestation and Secret Provisioning", low-level /dev/attestation interface.
"""

import os
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from attestation.binding import whole_report_data
from attestation.collect.quotes import quote_over
from attestation.collect.sealing import check_mode
from attestation.configfs_tsm import Files, KernelFiles
from attestation.errors import NoDevice, NoSealingKey
from attestation.evidence import Evidence
from attestation.kinds import Kind

FOLDER: Final = Path("/dev/attestation")
SGX_KEY_BYTES: Final = 16
_KEYS: Final = {"UniqueKey": "_sgx_mrenclave", "ProductKey": "_sgx_mrsigner"}
_MAX_BYTES: Final = 64 * 1024
_CHUNK: Final = 8192


class GramineDevice:
    """Asks Gramine, the library operating system around us in an SGX enclave.  Threads take turns."""

    kind: Final = Kind.SGX

    def __init__(self, folder: Path = FOLDER, files: Files | None = None) -> None:
        self._folder = folder
        self._files = files or KernelFiles()
        self._turn = Lock()

    def usable(self) -> str:
        """Empty, or why not."""
        try:
            found = self._read("attestation_type").decode("ascii", "replace").strip()
        except FileNotFoundError:
            return f"{self._folder}/attestation_type does not exist: this program does not run under Gramine"
        except OSError as error:
            return f"{self._folder}/attestation_type: {error.strerror}"
        if found != "dcap":
            return (
                f"{self._folder}/attestation_type: expected dcap, got '{found:.20}': "
                'set sgx.remote_attestation = "dcap" in the Gramine manifest'
            )
        return ""

    def issue(self, report_data: bytes) -> Evidence:
        """A quote over 64 bytes of report data.  Raises NoDevice if Gramine does not give one."""
        whole_report_data(report_data)
        try:
            with self._turn:
                self._write("user_report_data", report_data)
                raw = self._read("quote")
        except OSError as error:
            raise NoDevice(f"{self._folder}: expected a quote, got {error.strerror}") from error
        return quote_over(raw, Kind.SGX, report_data, str(self._folder))

    def sealing_key(self, mode: str) -> bytes:
        """32 bytes, of SGX's 16: of this MRENCLAVE ("UniqueKey"), or of this MRSIGNER and product ("ProductKey").

        Raises NoSealingKey if Gramine does not give the key.
        """
        check_mode(mode)
        place = f"keys/{_KEYS[mode]}"
        try:
            key = self._read(place)
        except OSError as error:
            raise NoSealingKey(
                f"sealing key {mode}: {self._folder}/{place} cannot be read ({error.strerror}); Gramine 1.4 has it"
            ) from error
        if len(key) != SGX_KEY_BYTES or not any(key):
            raise NoSealingKey(
                f"sealing key {mode}: {self._folder}/{place}: expected {SGX_KEY_BYTES} bytes, "
                f"got {len(key)}{' of zeros' if key else ''}"
            )
        return HKDF(SHA256(), 32, salt=None, info=b"enclasp sgx sealing key v1\0" + mode.encode()).derive(key)

    def _write(self, name: str, content: bytes) -> None:
        """Gramine takes report data in one write, or not at all."""
        descriptor = self._files.open(self._folder / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            taken = self._files.write(descriptor, content)
        finally:
            self._files.close(descriptor)
        if taken != len(content):
            raise NoDevice(f"{self._folder}/{name}: expected {len(content)} bytes to be taken at once, got {taken}")

    def _read(self, name: str) -> bytes:
        content = b""
        descriptor = self._files.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while chunk := self._files.read(descriptor, _CHUNK):
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise NoDevice(f"{self._folder}/{name}: expected at most {_MAX_BYTES} bytes, got more")
        finally:
            self._files.close(descriptor)
        return content
