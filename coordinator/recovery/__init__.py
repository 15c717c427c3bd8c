"""The spare key: one secret in its owners' hands, and their word for a state.  Pure."""
