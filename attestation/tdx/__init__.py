"""Intel TDX: the report of a trust domain in a quote, and the event log behind its registers."""
