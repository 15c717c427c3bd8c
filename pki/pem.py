"""PEM blocks of any label, as RFC 7468 and Go's encoding/pem write them."""

import base64


def pem_block(label: str, der: bytes) -> str:
    """One block: LF line ends, 64 columns, a newline at the end."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
