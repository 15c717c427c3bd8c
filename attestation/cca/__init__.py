"""Arm CCA: a platform token and a realm token, and the key by which the one vouches for the other."""
