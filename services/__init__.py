"""The processes: one folder each, thin, with `app.py` the only file that names adapters.

Law of this room: a service never imports another. What they have to say to each other crosses the bus.
"""
