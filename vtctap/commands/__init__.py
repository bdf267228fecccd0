"""The commands, one module each: ``add_arguments(parser)`` and ``run(arguments) -> exit status``.

A module's docstring is what its ``--help`` says.
"""
