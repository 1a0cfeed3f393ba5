"""Whether what a server has sent so far is an answer, while we are still sending. Pure."""

import re

_INFORMATIONAL = rb"HTTP/1\.[01] 1\d\d[^\n]*\n"
_END_OF_HEAD = rb"\r?\n\r?\n"
_STATUS_LINE = len(b"HTTP/1.1 200")


def is_final(received: bytes) -> bool:
    """Whether the bytes received contain the start of a final response.

    ``100 Continue`` and other 1xx responses are not final. Bytes that are not HTTP count, because no response can
    follow them.
    """
    while re.match(_INFORMATIONAL, received):
        end = re.search(_END_OF_HEAD, received)
        if end is None:
            return False
        received = received[end.end() :]
    return len(received) >= _STATUS_LINE and not re.match(rb"HTTP/1\.[01] 1", received)
