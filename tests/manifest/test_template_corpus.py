"""Templates render as MarbleRun rendered them, or are refused; never anything else."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from coordinator.manifest.template.render import Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue

RECORDED = json.loads((Path(__file__).parents[1] / "vectors" / "manifest" / "templates.json").read_text())
CASES = [
    pytest.param(case["template"], place, case[key], id=f"{index}-{key}")
    for index, case in enumerate(RECORDED["cases"])
    for place, key in ((Place.FILE, "file"), (Place.ENV, "env"))
]
# MarbleRun refuses these in its dry run only, which sees one-byte dummies in place of user-defined secrets.
REFUSED_BY_DRY_RUN = {
    "{{ index .Secrets.key.Private 3 }}",
    "{{ slice .Secrets.key.Private 0 4 }}",
    "{{ hex (slice .Secrets.key.Private 0 4) }}",
}


def values(dummies: bool) -> dict[str, SecretValue]:
    return {
        name: SecretValue(
            type=secret["Type"],
            size=secret.get("Size", 0),
            user_defined=True,
            public=b"A" if dummies else base64.b64decode(secret["Public"]),
            private=b"A" if dummies else base64.b64decode(secret["Private"]),
        )
        for name, secret in RECORDED["secrets"].items()
    }


def context(certificate_der: bytes, *, dummies: bool = False) -> dict[str, Any]:
    marble = SecretValue("cert-ecdsa", cert_der=certificate_der, public=b"public", private=b"private")
    authority = SecretValue("cert-ecdsa", cert_der=certificate_der)
    secrets = values(dummies)
    return {
        "Secrets": secrets,
        "Previous": {"Secrets": secrets},
        "MarbleRun": {
            "RootCA": authority,
            "MarbleCert": marble,
            "CoordinatorRoot": authority,
            "CoordinatorIntermediate": authority,
        },
    }


def rendered(template: str, place: Place, values_seen: dict[str, Any]) -> bytes | None:
    try:
        return Template.parse(template.encode(), place).render(values_seen, place)
    except TemplateError:
        return None


@pytest.mark.parametrize(("template", "place", "answer"), CASES)
def test_a_template_renders_as_recorded(
    template: str, place: Place, answer: dict[str, str], certificate_der: bytes
) -> None:
    got = rendered(template, place, context(certificate_der))
    if template in REFUSED_BY_DRY_RUN:
        assert rendered(template, place, context(certificate_der, dummies=True)) is None
    elif answer.get("activate") == "ok":
        assert got == (answer["text"].encode() if "text" in answer else base64.b64decode(answer["base64"]))
    else:
        assert got is None


def test_the_recorded_uuid_is_the_certificates_name(certificate_der: bytes) -> None:
    got = rendered("{{ .MarbleRun.MarbleCert.Cert.Subject }}", Place.FILE, context(certificate_der))
    assert got == f"CN={RECORDED['uuid']}".encode()
