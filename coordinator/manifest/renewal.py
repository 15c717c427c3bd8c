"""What of a marble's parameters holds certificates, and so is given anew while the marble runs."""

from collections.abc import Mapping
from datetime import timedelta

from coordinator.manifest.model import Secret
from coordinator.manifest.template.render import ALL_SECRETS, Template


def with_certificates(contents: Mapping[str, Template], secrets: Mapping[str, Secret]) -> tuple[str, ...]:
    """Names of the files or variables that use a certificate: the marble's, an authority's, or a secret that is one."""
    return tuple(name for name, template in contents.items() if _uses_certificate(template, secrets))


def shortest(own: timedelta | None, used: list[Secret]) -> timedelta | None:
    """How long a marble's certificate is valid: no longer than those among its secrets, which are renewed with it.

    own: None is MarbleRun's, without end, and stays so.
    """
    if own is None:
        return None
    with_it = (s for s in used if s.type.is_certificate and not s.shared and not s.user_defined and s.valid_days)
    return min([own, *(timedelta(days=secret.valid_days) for secret in with_it)])


def _uses_certificate(template: Template, secrets: Mapping[str, Secret]) -> bool:
    if template.is_plain:
        return False
    if template.secrets & ALL_SECRETS or b"MarbleRun" in template.source:
        return True
    return any(secrets[name].type.is_certificate for name in template.secrets if name in secrets)
