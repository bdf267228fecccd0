"""What takes the records of a running capture: trace, screen, hints, marks, and the conditions that end it."""
