"""What runs inside a workload: attest, join, receive what the manifest gives, become the program.

Part of every workload's trusted base, so: small, three dependencies, and nothing of the coordinator.
Command: `python -m marble` (launch.py).  Python API for the program itself: mesh.py.
"""
