"""Requests that belong together, a clerk for each kind: slow work, then the decision in its turn, then the reply."""
