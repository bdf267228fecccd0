"""Profiles: the meaning of messages as data (TOML files, their model, their reader, and the encodings of values)."""
