"""The one error that is the user's to mend: what is wrong, where, what was expected, what to try."""


class UserError(Exception):
    """Wrong input, said in one line. The command line prints it without a traceback and exits with status 2."""
