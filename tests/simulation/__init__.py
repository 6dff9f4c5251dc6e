"""The simulated world: real handlers and the real bus code over virtual time, a simulated bus and a simulated venue. One seed, one history.

The law of the room: no ambient clock, randomness, uuid4, os.urandom, thread or real I/O. Time comes from the loop, chance from the
seed, and everything that leaves a node asks that node first whether it is still alive.
"""
