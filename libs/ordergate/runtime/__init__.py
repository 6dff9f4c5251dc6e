"""The only room that knows NATS, OpenTelemetry, the environment and the wall clock.

Law of this room: it carries and keeps, it never decides about an order. Each file implements one port or one piece of the frame.
A bus call ends in one of three ways: an answer, a refusal that says why, or BusUnavailable after a stated limit; a time-out is never
taken for a failure. Nothing here starts at import.
"""
