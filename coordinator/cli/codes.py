"""Message codes that the command line itself raises."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "U501": (
        "a file cannot be read or written",
        "check its name and your permissions",
    ),
    "U502": (
        "these bytes are no evidence that this version knows",
        "it reads SGX quotes of version 3 to 5 and TDX quotes of version 4 and 5, as quote.bin, "
        "with or without an Open Enclave header",
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
        "the text names the setting, what was expected and what was got",
    ),
    "U508": (
        "the message code is not known",
        "codes look like V130; `enclasp explain --all` prints all of them",
    ),
    "U509": (
        "evidence, endorsements or a trust anchor cannot be used",
        "the text names the field, what was expected and what was got",
    ),
}
