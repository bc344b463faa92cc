"""What a model server or the way to it says no with, as one line."""

import re

# What a check inside an exported graph looks like among the names of nodes.
_ASSERTION = re.compile(
    r"assertion failed: \[(.*?)\] \[(.*?)\] \[(.*?)\]", re.DOTALL
)
# By HTTP's code or gRPC's name.
_REMEDIES = {
    404: "Check --model.",
    "NOT_FOUND": "Check --model.",
    429: "Try again later, or send fewer at once.",
    "RESOURCE_EXHAUSTED": "Try again later, or send fewer at once.",
    503: "Try again later, or send fewer at once.",
    "UNAVAILABLE": "Try again later, or send fewer at once.",
    504: "Request fewer tokens, or raise the server's limit of time.",
}


class ServingError(RuntimeError):
    """A request that was not answered: one line, ready to be shown."""

    @classmethod
    def refused(cls, status, message):
        """The server answered, and said no.

        Args:
            status: int or string. HTTP's code or the name of gRPC's.
            message: string. What the server said.

        Returns:
            A `ServingError`. What a check of the package's own said, in the
            graph or in its server, is the whole text.
        """
        found = _ASSERTION.search(message)
        if found:
            return cls("".join(found.groups()))
        if ". Received: " in message:
            return cls(_one_line(message))
        remedy = _REMEDIES.get(status, "Check the request and the server.")
        return cls(
            "The server must accept the request. Received: "
            f"status={status}, error={_one_line(message)!r}. {remedy}"
        )

    @classmethod
    def unreachable(cls, url, reason):
        """Nothing answers there.

        Args:
            url: string. Where the server should be.
            reason: What the system said.

        Returns:
            A `ServingError`.
        """
        return cls(
            f"A server must listen at the address. Received: url={url!r} "
            f"({_one_line(str(reason))}). Start it, or pass another --url."
        )

    @classmethod
    def too_slow(cls, url, timeout):
        """There was no answer in time.

        Args:
            url: string. Where the server is.
            timeout: number. The seconds that it was given.

        Returns:
            A `ServingError`.
        """
        return cls(
            f"The server must answer within {timeout:g} seconds. Received: "
            f"url={url!r}. Request fewer tokens, or pass a longer --timeout."
        )

    @classmethod
    def not_understood(cls, url, answer):
        """What answers there is not a model server.

        Args:
            url: string. Where it is.
            answer: bytes. What it said.

        Returns:
            A `ServingError`.
        """
        start = _one_line(answer[:60].decode("utf-8", "replace"))
        return cls(
            "A model server must answer in JSON, in the form of the request. "
            f"Received: url={url!r}, answer={start!r}. Check --url."
        )


def _one_line(text):
    return " ".join(text.split())
