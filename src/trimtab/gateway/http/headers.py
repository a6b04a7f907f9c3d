"""The fields of a head."""

from __future__ import annotations


class Headers(dict[bytes, bytes]):
    """The fields of one message by name, in lower case; values are without surrounding whitespace.

    A repeated field is one value joined with ", " (RFC 9110, section 5.3).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Names only: values may be secrets."""
        return f"Headers({', '.join(name.decode('latin-1') for name in self)})"


def gather(fields: list[tuple[bytes, bytes]]) -> Headers:
    """The fields as they came, names in lower case already."""
    headers = Headers(fields)
    if len(headers) != len(fields):
        headers.clear()
        for name, value in fields:
            headers[name] = b"%b, %b" % (headers[name], value) if name in headers else value
    return headers
