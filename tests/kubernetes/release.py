"""Write manifests/kubernetes/enclasp.yaml, the chart with its defaults:  python -m tests.kubernetes.release HELM"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "manifests" / "kubernetes" / "enclasp.yaml"
_HEAD = """# What `helm install enclasp charts/coordinator --namespace enclasp` makes, for `kubectl apply -f`.
# Written by `python -m tests.kubernetes.release HELM`; a test compares.
apiVersion: v1
kind: Namespace
metadata:
  name: enclasp
"""


def render(helm: str, *options: str) -> str:
    """The chart as it is installed, without its tests."""
    command = [helm, "template", "enclasp", "charts/coordinator", "--namespace", "enclasp", "--skip-tests", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def release(helm: str) -> str:
    """The release file."""
    return _HEAD + render(helm).replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(release(sys.argv[1]))
