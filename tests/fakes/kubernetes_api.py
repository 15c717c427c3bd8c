"""A Kubernetes API server that only lists, over HTTPS, and the kubeconfig file for it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pki import certificates, keys
from tests.fakes.rest_server import Seen, rest_server


@contextmanager
def kubernetes_api(
    folder: Path, objects: list[dict[str, Any]], status: Mapping[str, int]
) -> Iterator[tuple[Path, Seen]]:
    """Serve these objects of namespace `shop`.  status: plural name of a kind to another answer than 200.

    Gives a kubeconfig file with the contexts `shop` and `nowhere`, and what was asked.
    """

    def answer(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        *_, namespace, plural = urlsplit(path).path.split("/")
        code = status.get(plural, 200)
        if code != 200:
            return code, json.dumps({"kind": "Status", "status": "Failure", "code": code}).encode()
        items = [one for one in objects if f"{one['kind'].lower()}s" == plural.replace("ingresses", "ingresss")]
        if namespace != "shop" or not items:
            return 200, json.dumps({"kind": "List", "items": []}).encode()
        kind = items[0]["kind"]
        stripped = [{key: value for key, value in one.items() if key != "kind"} for one in items]
        return 200, json.dumps({"kind": f"{kind}List", "items": stripped}).encode()

    key = keys.generate(keys.KeyAlgorithm.EC_P256)
    name = certificates.common_name("kubernetes")
    template = certificates.CertificateTemplate(name, ip_addresses=(ip_address("127.0.0.1"),), is_ca=True)
    certificate = certificates.build(
        template,
        public_key=key.public_key(),
        issuer_name=name,
        issuer_key=key,
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        serial=1,
    )
    with rest_server((certificate,), key, answer) as (endpoint, seen):
        (folder / "ca.pem").write_bytes(certificates.pem(certificate))
        cluster = {"server": f"https://{endpoint}", "certificate-authority": str(folder / "ca.pem")}
        nowhere = {"server": "https://127.0.0.1:1", "certificate-authority": str(folder / "ca.pem")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "shop",
            "clusters": [{"name": "here", "cluster": cluster}, {"name": "nowhere", "cluster": nowhere}],
            "users": [{"name": "reader", "user": {"token": "not-a-real-token"}}],
            "contexts": [
                {"name": "shop", "context": {"cluster": "here", "user": "reader", "namespace": "shop"}},
                {"name": "nowhere", "context": {"cluster": "nowhere", "user": "reader"}},
            ],
        }
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(config))
        yield file, seen
