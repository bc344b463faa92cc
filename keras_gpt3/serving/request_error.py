"""A request that is not answered, with its HTTP status."""

# As others write it; nobody reads it.
CLIENT_GONE = 499


class RequestError(Exception):
    """What a client is told, and the status to tell it with."""

    def __init__(self, status, message, headers=None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
