"""Access to a venue over HTTP: signing, the venue's clock, the budget, the call.

Law of this room: it knows HTTP, not trading. It signs what it is given, sends it at most once, and says which of three things happened:
nothing was sent, the venue answered, or nobody knows. What an answer means is the venue's room to say; time, randomness and sinks are handed in.
"""
