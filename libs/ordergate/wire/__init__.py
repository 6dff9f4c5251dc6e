"""What crosses the bus: subjects, streams, messages and how they are read and written.

Law of this room: no NATS, no I/O, no clock. No other room spells a subject, a stream's name or a field of a message.
`codec` and `gate` serve the services; `subjects`, `streams` and `messages` are all that a client needs.
"""
