"""What a person would write in the place of the questions of `manifest init`."""

import re
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding


def answered(text: str) -> str:
    """The draft with every question answered: values of the form that they ask for, comments deleted."""
    text = re.sub(r"(?m)^( *)# DECIDE:.*\n(?:\1# (?!DECIDE:)[a-z].*\n)*", "", text)
    return re.sub(r'"DECIDE:[^"]*"', _value, text)


def _value(match: re.Match[str]) -> str:
    question = match.group()
    if digits := re.search(r"(\d+)(?:, \d+)*(?: or \d+)? hex digits", question):
        return '"' + "ab" * (int(digits.group(1)) // 2) + '"'
    if "how often" in question:
        return "100"
    if "certificate in PEM" in question:
        return '"' + _certificate().replace("\n", "\\n") + '"'
    return '"answer.example"'


@cache
def _certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "operator")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
