"""Reference values of each platform, from a package's words."""
