"""A first manifest, written for people: from wishes, or from what runs in Kubernetes already."""
