"""Simulated vendors of every platform: roots, certificates and evidence in the real formats, which prove nothing."""
