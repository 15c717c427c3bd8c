"""From a request to the Coordinator's method and back to an answer, one function for each route."""
