"""Kubernetes objects to a draft: workloads, their secrets, who calls whom, and what was not taken over."""
