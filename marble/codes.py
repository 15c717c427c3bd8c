"""Message codes of the marble side: code -> (title, hint), for `enclasp explain`."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "A250": ("address of the coordinator cannot be read", "set EDG_MARBLE_COORDINATOR_ADDR to host:port"),
    "A251": ("DNS names of the marble cannot stand in a certificate", "use ASCII names, separated by commas"),
    "A252": ("marble type is missing", "set EDG_MARBLE_TYPE, or give --type"),
    "A253": (
        "trust for the coordinator without its reference values",
        "set ENCLASP_COORDINATOR_REFERENCE, or unset the others",
    ),
    "A254": ("time-out cannot be read", "set ENCLASP_MARBLE_TIMEOUT to seconds above 0, or unset it"),
    "A255": ("UUID file cannot be used", "give a writable path, or a file of exactly 36 characters without a newline"),
    "A256": ("no program to start", "give the command after --"),
    "A257": ("file about the coordinator cannot be used", "compare the file with the error text"),
    "A258": ("no evidence can be made", "check the confidential computing environment of this machine"),
    "A260": ("coordinator refused the activation", "the coordinator's log has every check with expected and found"),
    "A261": (
        "coordinator gave no usable identity",
        "check that EDG_MARBLE_COORDINATOR_ADDR is a coordinator's marble door",
    ),
    "A262": (
        "coordinator is not the expected one",
        "compare ENCLASP_COORDINATOR_REFERENCE with what the coordinator runs",
    ),
    "A263": ("identity of a marble is missing", "start the program with `marble run -- COMMAND`"),
    "A264": (
        "another coordinator answers than the marble joined",
        "start the marble anew, if it shall belong to the other deployment",
    ),
    "A270": ("no activation within the time-out", "check that the coordinator runs and has a manifest"),
    "A280": (
        "file of the manifest cannot be written",
        "change Parameters.Files, or the folder's rights",
    ),
    "A281": ("environment variable of the manifest is illegal", "change Parameters.Env in the manifest"),
    "A282": ("arguments of the manifest are illegal", "change Parameters.Argv in the manifest"),
    "A283": ("program cannot be started", "check the path of the program and its rights"),
    "K694": (
        "init-data that a marble was given cannot be read",
        "ENCLASP_INIT_DATA names a file with the pod's annotation, as the webhook mounts it",
    ),
    "K695": (
        "this machine was not started with the init-data that it is given now",
        "compare the pod's annotation with the one that was deployed; Kata's configuration must allow cc_init_data",
    ),
    "K696": (
        "nothing says with which init-data this machine was started",
        "run the pod under a runtime class of Kata on TDX or SEV-SNP, or unset ENCLASP_INIT_DATA",
    ),
}
