"""The key sources and the witness that a configuration names.  TPMs and PKCS#11 tokens need packages that others do
without."""

from collections.abc import Callable
from pathlib import Path

from attestation.issue import Issuer
from coordinator.config import Config, ConfigInvalid
from coordinator.journal.source import Environment, KeySource
from coordinator.journal.witness import NO_WITNESS, Witness


def witness(config: Config) -> Witness:
    """Who remembers the last record.  Raises ConfigInvalid if a package is missing."""
    if not config.witness:
        return NO_WITNESS
    try:
        from coordinator.journal.tpm_witness import TpmWitness
    except ModuleNotFoundError as cause:
        raise ConfigInvalid("setting 'witness': install its part: pip install 'enclasp[tpm]'") from cause
    return TpmWitness(config.tpm, config.witness_index)


def key_sources(config: Config, issuer: Issuer, entropy: Callable[[int], bytes]) -> tuple[KeySource, ...]:
    """The environment, and what else is configured.  Raises ConfigInvalid if a package is missing."""
    sources: list[KeySource] = [Environment(issuer, entropy)]
    if config.tpm:
        try:
            from coordinator.journal.tpm import Tpm
        except ModuleNotFoundError as cause:
            raise ConfigInvalid("setting 'tpm': install its part: pip install 'enclasp[tpm]'") from cause
        sources.append(Tpm(config.tpm, config.tpm_pcrs))
    if config.pkcs11_module:
        try:
            from coordinator.journal.pkcs11 import Pkcs11Token, TokenAccess
        except ModuleNotFoundError as cause:
            raise ConfigInvalid("setting 'pkcs11_module': install its part: pip install 'enclasp[hsm]'") from cause
        pin = Path(config.pkcs11_pin_file)
        access = TokenAccess(config.pkcs11_module, config.pkcs11_token, config.pkcs11_key, pin)
        sources.append(Pkcs11Token(access, entropy))
    return tuple(sources)
