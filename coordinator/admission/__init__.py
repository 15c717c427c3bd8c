"""The cluster's door: pods on their way in are told where the coordinator is.  Its own process, trusted by nobody."""
