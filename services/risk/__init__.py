"""Risk: nothing leaves without its approval, and what it cannot see it counts at its worst."""
