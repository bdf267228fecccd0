"""Profiles for tests: the sections that every profile must have, before the sections under test."""


def profile_text(name: str, more: str, *, confidence: str = "derived") -> str:
    """Returns the text of a profile of this name with further sections."""
    return f"""
[profile]
name = "{name}"
title = "{name}"
source = "here"
confidence = "{confidence}"
[line]
format = "7E1"
speed = 9600
[timing]
gap_limit = 1.5
reaction_min = 0.02
reaction_max = 1.5
{more}"""
