"""Turns octets into records: finds frames and senders, and merges two taps. It knows no profiles and no meaning of
values."""
