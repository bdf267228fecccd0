"""What the commands share: their arguments, the traces that they read, the files that they write, their messages."""
