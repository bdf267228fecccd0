"""Decodes the protocol: framing, messages and their meaning, and exports the result to other tools."""
