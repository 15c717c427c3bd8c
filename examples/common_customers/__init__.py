"""Two companies find their common customers without showing each other, or the operator, their lists."""
