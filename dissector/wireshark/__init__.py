"""Wireshark: the generated Lua dissector, the configuration profile, and pyshark with the dissector loaded."""
