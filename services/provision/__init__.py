"""Streams, consumers and buckets as declared, created by this one command, which also renews the consumers of an earlier version.

Any other difference is told and never overwritten.
"""
