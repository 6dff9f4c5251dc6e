"""Order submission: turns approved orders into venue orders, and ends what must not be sent any more."""
