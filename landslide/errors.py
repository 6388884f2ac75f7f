"""What an error says."""


def one_line(error: BaseException | None, most: int | None = None) -> str:
    """Return what an error says on one line, of so many characters at most; else its kind."""
    return " ".join(str(error).split())[:most] or type(error).__name__
