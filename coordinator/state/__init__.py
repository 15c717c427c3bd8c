"""The book: what is, what can happen, and how the one follows from the other.  Pure."""
