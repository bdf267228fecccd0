"""Test equipment: a line that garbles, the model of a receiver, a meter on a pseudo-terminal, and virtual time."""
