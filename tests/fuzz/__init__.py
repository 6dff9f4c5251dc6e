"""Fuzzing of every gate: bytes of strangers in, a typed answer out.

The law of the room: a gate may refuse anything, but only by its own typed error or answer; what it lets through must be usable by those
behind it. Nothing a gate took or refused may stay unanswered. What a fuzzer once found stays as an explicit case beside its gate.
"""
