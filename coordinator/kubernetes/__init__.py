"""A person's cluster, through the person's own kubectl and helm: what is there, and what is missing."""
