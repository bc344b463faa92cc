"""A request that is not answered, with its HTTP status."""

# As others write it; nobody reads it.
CLIENT_GONE = 499


class RequestError(Exception):
    """What a client is told, and the status to tell it with.

    Args:
        status: int. An HTTP status of 400 or above.
        message: string. One line.
        headers: dict of string to string. More headers of the answer.
            Defaults to none.

    Example:

    ```python
    from keras_gpt3.serving.request_error import RequestError

    RequestError(404, "Models must be served here. Received: name=x.").status
    ```
    """

    def __init__(self, status, message, headers=None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
