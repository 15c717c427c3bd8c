"""The vendors' own roots, built in: nobody can add to them, and a folder with evidence cannot bring its own."""
