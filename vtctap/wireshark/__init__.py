"""Live capture in Wireshark (extcap), and the installation of dissector, launcher and profile."""
