"""A server's words, without anything that a terminal or a log file would obey. Pure."""


def printable(text: str) -> str:
    """`text` with every character that cannot be seen escaped, as Python writes it: line breaks, ESC, directions."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
