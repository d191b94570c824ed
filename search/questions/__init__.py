"""A table of losses put to the solver in its user's terms: options by their names, answers in the table's sign.

The command line and the service both ask this way; what they show people is theirs.
"""
