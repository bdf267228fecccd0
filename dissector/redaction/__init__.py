"""Redaction: makes a trace that can be shared of one that holds secrets.

- :mod:`.rules`: what may stay, as tables.
- :mod:`.pieces`: the parts of a frame, each with the kind of its content.
- :mod:`.standins`: what takes the place of a secret.
- :mod:`.redact`: records without their secrets.
- :mod:`.proof`: the search for each secret in the result.
"""
