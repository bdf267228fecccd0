"""The protocol of the link: characters, check characters, messages and speeds. It depends on no other part of the
dissector."""
