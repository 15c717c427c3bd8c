"""Evidence of a processor together with that of its GPUs, bound to each other."""
