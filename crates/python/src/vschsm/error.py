"""What goes wrong."""


class Error(Exception):
    """Something was not done; the message is a sentence, the program's where it has one."""
