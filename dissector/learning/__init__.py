"""Learning from captures: which protocol do the devices on a link speak?

:mod:`.evidence` holds the theory: observations, the readings that explain them, and verdicts by elimination.
:mod:`.turns` and :mod:`.flows` prepare what questions look at; :mod:`.question` is the contract of a question, and each
family of questions is one file with a table of them. :mod:`.learner` puts them to the traces.
"""
