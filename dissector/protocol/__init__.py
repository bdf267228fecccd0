"""The language of the link: characters, check characters, messages and speeds. The ground floor of the dissector."""
