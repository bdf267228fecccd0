"""The parts that process the records of a running capture: trace, screen, hints, marks and stop conditions."""
