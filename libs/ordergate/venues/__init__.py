"""Venues: one folder each, with the same files (declaration, client, models, parse, errors, limits), and one line in `registry`.

Law of this room: a venue's own names and shapes stay inside its folder; what leaves it are the port's facts. Whatever a venue sends is checked at the
gate (`models`), turned into facts by pure functions (`parse`), and judged by a table that is data (`errors`). A doubt is always `Unknown`.
"""
