"""Work on many traces, by processes of this machine or the workers of a cluster."""
