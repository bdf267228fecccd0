"""Protocol knowledge: framing, messages, their meaning, and their forms for other tools."""
