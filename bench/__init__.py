"""`make bench`: the product under load, beside ccxt and the bare floors, on the same simulator and the same bus in the same run.

Law of this room: it measures the installed product from outside (bus, simulator's doors, /proc) and changes nothing in it; what was raised or
relaxed for the measurement is said in the output.
"""
