"""A cluster by hand:  python -m tests.kubernetes.cluster start|stop FOLDER PROGRAMS [IMAGE.tar…]"""

import sys
from pathlib import Path

from tests.kubernetes.cluster.cluster import Cluster, obstacle

if __name__ == "__main__":
    verb, folder, programs, *images = sys.argv[1:]
    if reason := obstacle(Path(programs)):
        sys.exit(reason)
    cluster = Cluster(Path(folder), Path(programs), "enclasp-kube")
    if verb == "stop":
        cluster.stop()
    else:
        cluster.start([Path(image) for image in images])
        print(f"export KUBECONFIG={cluster.kubeconfig} PATH={cluster.programs}:$PATH")
