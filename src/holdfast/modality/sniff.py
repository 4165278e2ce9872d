"""How the first bytes of a file are shown to a person who sent the wrong one."""


def first_bytes(data: bytes) -> str:
    """The first bytes as text where they are plain, else in hexadecimal.

    >>> first_bytes(b"<!DOCTYPE html>")
    "'<!DOCTYP'"
    >>> first_bytes(bytes([137, 80, 0]))
    '89 50 00'
    """
    start = data[:8]
    if start.isascii() and start.decode("ascii").isprintable():
        return repr(start.decode("ascii"))
    return start.hex(" ")
