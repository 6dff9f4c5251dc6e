"""Status polling: sees every live order at the venue, resolves what is unknown, and never guesses."""
