"""The judges: may this happen, and what follows?  Pure: the State, time and entropy in, events and a reply out."""
