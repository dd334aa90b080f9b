"""What a user can mend: one line that says what is wrong, where, and how to put it right."""


class Fault(ValueError):
    """What was typed cannot be used, whatever the data: a name that does not exist, a limit that contradicts another.

    The command leaves with 2.
    """


class DataFault(Fault):
    """The data cannot give what was asked: a duplicate date, a price of zero, a constant series, too few observations.

    The command leaves with 3.
    """
