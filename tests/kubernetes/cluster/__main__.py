"""A cluster by hand:  python -m tests.kubernetes.cluster start|stop FOLDER PROGRAMS [IMAGE.tar…] | obstacle FOLDER"""

import sys
from pathlib import Path

from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.machine import obstacle

CANNOT = 77
"""Exit code for what this machine cannot do, as of a test that was skipped (Automake)."""

if __name__ == "__main__":
    verb, folder, *rest = sys.argv[1:]
    if verb != "stop" and (reason := obstacle(Path(folder))):
        print(f"no cluster can be started on this machine: {reason}", file=sys.stderr)
        sys.exit(CANNOT)
    if verb == "obstacle":
        sys.exit()
    programs, *images = rest
    cluster = Cluster(Path(folder), Path(programs), "enclasp-kube")
    if verb == "stop":
        cluster.stop()
    else:
        cluster.start([Path(image) for image in images])
        print(f"export KUBECONFIG={cluster.kubeconfig} PATH={cluster.programs}:$PATH")
