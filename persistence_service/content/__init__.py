"""Content at rest: the keys that ideas, proposals, reviews and what models wrote are sealed with.

Two kinds of key, as envelopes have them. The operator's keys stand in a file, and encrypt nothing but the
content keys, which the database keeps wrapped. Content is sealed with the newest content key. So a new
operator's key asks for a few wrapped keys to be written anew, and for no content.
"""
