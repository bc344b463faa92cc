"""Asks a model server over REST, with Python's standard library alone.

    python examples/serving/rest_client.py generate "Once upon" "The sea" \
        --max-new-tokens 32 --temperature 0.8 --seed 1 2
    python examples/serving/rest_client.py score "The sun is" " hot" " a cat"

It prints a JSON object a row, in milliseconds plus what the model takes.
TensorFlow Serving and `keras-gpt3 serve` both answer it.
"""

import base64
import json
import sys
import urllib.error
import urllib.request

from client_command import run_command
from serving_client import ServingClient
from serving_error import ServingError


class RestClient(ServingClient):
    """Generates and scores over REST; see `ServingClient`.

    Args:
        url: string. Such as `"http://localhost:8501"`.
        model: string. The name that the server serves the model under.
        timeout: number. Seconds to wait for an answer.

    Example:

    ```python
    client = RestClient("http://localhost:8501")
    client.generate(["Once upon a time", "The sea"], seed=[1, 2])
    ```
    """

    def predict(self, signature, columns):
        names = list(columns)
        rows = zip(*columns.values(), strict=True)
        body = {
            "signature_name": signature,
            "instances": [dict(zip(names, row, strict=True)) for row in rows],
        }
        request = urllib.request.Request(
            f"{self.url}/v1/models/{self.model}:predict",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        answer = self._answer(request)
        try:
            predictions = json.loads(answer)["predictions"]
            return [
                {name: _as_text(value) for name, value in row.items()}
                for row in predictions
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServingError.not_understood(self.url, answer) from error

    def _answer(self, request):
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read()) from error
        except OSError as error:
            # urllib wraps some of them in an error of its own.
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise ServingError.too_slow(self.url, self.timeout) from error
            raise ServingError.unreachable(self.url, reason) from error

    def _refused(self, status, answer):
        try:
            return ServingError.refused(status, json.loads(answer)["error"])
        except (ValueError, KeyError, TypeError):
            return ServingError.not_understood(self.url, answer)


def _as_text(value):
    # How a server may write what is not UTF-8.
    if isinstance(value, dict):
        return base64.b64decode(value["b64"]).decode("utf-8", "replace")
    return value


if __name__ == "__main__":
    sys.exit(run_command(RestClient, "http://localhost:8501", __doc__))
