"""Live capture in Wireshark (extcap) and the installation of the dissector, the launcher and the profile."""
