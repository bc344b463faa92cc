"""Asks TensorFlow Serving over gRPC.

    python examples/serving/grpc_client.py generate "Once upon" "The sea" \
        --max-new-tokens 32 --temperature 0.8 --seed 1 2
    python examples/serving/grpc_client.py score "The sun is" " hot" " a cat"

It prints a JSON object a row, after some five seconds in which it imports the
protocol: tensorflow-serving-api, of the extra [serving], imports TensorFlow.
No session and no device is made.
"""

import os
import sys

from client_command import run_command
from serving_client import ServingClient
from serving_error import ServingError

# Of the inputs that are no strings.
_DTYPES = {
    "max_new_tokens": "int32",
    "temperature": "float32",
    "top_k": "int32",
    "top_p": "float32",
    "seed": "int32",
}


class GrpcClient(ServingClient):
    """Generates and scores over gRPC; see `ServingClient`.

    Args:
        url: string. Such as `"localhost:8500"`.
        model: string. The name that the server serves the model under.
        timeout: number. Seconds to wait for an answer.

    Raises:
        ImportError: If the extra [serving] is not installed.

    Example:

    ```python
    client = GrpcClient("localhost:8500")
    client.generate(["Once upon a time", "The sea"], seed=[1, 2])
    ```
    """

    def __init__(self, url, model="gpt3", timeout=120):
        super().__init__(url, model, timeout)
        self._grpc, self._predict_pb2, services = _import_protocol()
        # Without credentials: for a network that is trusted.
        self._channel = self._grpc.insecure_channel(self.url)
        self._stub = services.PredictionServiceStub(self._channel)

    def close(self):
        """Closes the connection."""
        self._channel.close()

    def predict(self, signature, columns):
        # Made of numpy arrays: no graph, no session.
        from tensorflow import make_ndarray
        from tensorflow import make_tensor_proto

        request = self._predict_pb2.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        for name, values in columns.items():
            proto = make_tensor_proto(values, _DTYPES.get(name, "string"))
            request.inputs[name].CopyFrom(proto)
        outputs = self._answer(request).outputs
        arrays = {k: make_ndarray(v).tolist() for k, v in outputs.items()}
        rows = zip(*arrays.values(), strict=True)
        return [
            {k: _as_text(v) for k, v in zip(arrays, row, strict=True)}
            for row in rows
        ]

    def _answer(self, request):
        try:
            return self._stub.Predict(request, timeout=self.timeout)
        except self._grpc.RpcError as error:
            status, message = error.code().name, error.details()
            if "failed to connect" in message:
                raise ServingError.unreachable(self.url, message) from error
            if status == "DEADLINE_EXCEEDED":
                raise ServingError.too_slow(self.url, self.timeout) from error
            raise ServingError.refused(status, message) from error


def _import_protocol():
    # What TensorFlow says of the processor is of no use here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import grpc
        from tensorflow_serving.apis import predict_pb2
        from tensorflow_serving.apis import prediction_service_pb2_grpc
    except ImportError as error:
        raise ImportError(
            "The packages of the extra [serving] must be installed. Received: "
            f"{error}. Run pip install 'keras-gpt3[serving]'."
        ) from error
    return grpc, predict_pb2, prediction_service_pb2_grpc


def _as_text(value):
    return value.decode("utf-8", "replace") if type(value) is bytes else value


if __name__ == "__main__":
    sys.exit(run_command(GrpcClient, "localhost:8500", __doc__))
