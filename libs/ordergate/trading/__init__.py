"""The core: what an order is, how it moves, what fills and positions add up to, what risk allows.

Law of this room: it does nothing but think. Standard library only; no await, no clock, no log, no randomness, no pydantic.
Time, ids and every other fact of the world come in as arguments.
"""
