"""`python -m tests.fuzz.one NAME LIBFUZZER-ARGUMENTS…`: fuzz one target in this process, with atheris."""

import sys

import atheris

with atheris.instrument_imports(include=["attestation", "coordinator", "marble", "pki"], enable_loader_override=False):
    from tests.fuzz.every_target import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()
