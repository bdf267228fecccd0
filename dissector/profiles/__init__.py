"""The profiles that come with vtctap: TOML files, read by :mod:`vtctap.dissector.profile`."""
