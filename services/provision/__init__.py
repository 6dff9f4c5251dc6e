"""Streams, consumers and buckets as declared, created by this one command; differences are told and never overwritten."""
