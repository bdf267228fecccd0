"""Test equipment: a line that garbles, the model of a receiver, and a meter on a pseudo-terminal."""
