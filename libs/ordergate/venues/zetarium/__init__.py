"""ZetariumDex v2, as docs/venues/zetarium.md tells it. What that page marks as assumed has its one place in here: see each file's docstring."""
