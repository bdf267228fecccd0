"""Small helpers that import nothing of vtctap but its errors: every package may import them."""
