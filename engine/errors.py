"""What a user is told when something is wrong, and the exit code that goes with it."""

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2  # wrong usage or configuration
    INTEGRITY = 3  # corrupt journal, diverged replay, bad tape
    STOPPED = 4  # by risk or the kill switch
    VENUE = 5  # venue or time-out


class UserError(Exception):
    """An error that its reader can mend: one line that says what, where and how. Never shown with a traceback."""

    def __init__(self, message: str, exit_code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class IntegrityError(UserError):
    """Data that is not what it says it is: names file, position and the mend."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.INTEGRITY)
