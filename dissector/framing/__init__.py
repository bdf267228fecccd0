"""Octets to records: frames, senders, and the order of two taps. Knows nothing of profiles or of what values mean."""
