"""The commands, one module each, with ``add_arguments(parser)`` and ``run(arguments) -> exit status``.

The docstring of a module is the description in its ``--help``.
"""
