"""Evidence of each platform, as `enclasp simulate` issues it: good, or with a named fault."""
