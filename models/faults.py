"""What a user can mend: one line that says what is wrong, where, and how to put it right."""


class Fault(ValueError):
    """An argument that cannot be used: a column that does not exist, a limit that contradicts another."""


class DataFault(Fault):
    """Data that cannot be trusted: a duplicate date, a price of zero, a constant series."""
