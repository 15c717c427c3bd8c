"""Interfaces of this machine that hand out evidence: which are there, and how each is asked."""
