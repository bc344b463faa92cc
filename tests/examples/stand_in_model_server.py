"""Model servers that answer from a loaded export as TensorFlow Serving does.

They are as strict as its 2.20.0 with batching on: over REST every input is
named, every input has a value for each row, and the stop strings of a request
that shares a batch with one that has more are filled up with its first string.
"""

import concurrent.futures
import contextlib
import http.server
import json
import re
import threading

import grpc
import numpy as np
import tensorflow as tf
import uvicorn
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from keras_gpt3.serving.app import make_app
from keras_gpt3.serving.model_server import ModelServer
from keras_gpt3.serving.serve import listening_socket
from keras_gpt3.serving.server_settings import ServerSettings

_PREDICT = re.compile(r"/v1/models/([^/:]+):predict")
# The width that another request in the batch is taken to have.
_STOP_WIDTH = 5


class Refusal(Exception):
    """A request that is not answered: a code of HTTP's and a text."""


class StandIn:
    """Runs signatures by TensorFlow Serving's rules.

    Args:
        signatures: dict of name to function, of a loaded SavedModel.
        name: string. What the model is called.
    """

    def __init__(self, signatures, name="gpt3"):
        self._signatures = signatures
        self._name = name
        # Of each request that reached a signature.
        self.rows = []

    def signature(self, model, name):
        if model != self._name:
            raise Refusal(
                404, f"Servable not found for request: Latest({model})"
            )
        if name not in self._signatures:
            text = f'Serving signature name: "{name}" not found'
            raise Refusal(400, text)
        return self._signatures[name]

    def specs(self, model, name):
        return self.signature(model, name).structured_input_signature[1]

    def run(self, model, name, inputs):
        """Arrays of inputs to arrays of outputs."""
        heights = {v.shape[0] if v.ndim else None for v in inputs.values()}
        if len(heights) > 1 or None in heights:
            raise Refusal(400, "inputs must have equal 0th-dimension size")
        if "stop" in inputs:
            inputs = inputs | {"stop": _filled_up(inputs["stop"])}
        specs = self.specs(model, name)
        function = self.signature(model, name)
        try:
            outputs = function(
                **{k: tf.constant(v, specs[k].dtype) for k, v in inputs.items()}
            )
        except tf.errors.InvalidArgumentError as error:
            raise Refusal(400, error.message) from error
        self.rows.append(len(next(iter(inputs.values()))))
        return {k: v.numpy() for k, v in outputs.items()}


def _filled_up(stop):
    if not stop.size:
        raise Refusal(400, "Got empty tensor in batch of non-empty tensors.")
    missing = max(_STOP_WIDTH - stop.shape[1], 0)
    return np.pad(stop, ((0, 0), (0, missing)), constant_values=stop.flat[0])


# === REST ===


def answer_json(stand_in, model, body):
    """A request in row or columnar form to the answer in the same."""
    request = json.loads(body)
    name = request["signature_name"]
    specs = stand_in.specs(model, name)
    if "instances" in request:
        rows = request["instances"]
        for row in rows:
            if set(row) != set(specs):
                text = f"keys must be equal to: {','.join(sorted(specs))}"
                raise Refusal(400, text)
        columns = {key: [row[key] for row in rows] for key in specs}
    else:
        columns = request["inputs"]
        for key in specs:
            if key not in columns:
                raise Refusal(400, f"Missing named input: {key}")
    kinds = {key: spec.dtype.as_numpy_dtype for key, spec in specs.items()}
    inputs = {k: np.array(columns[k], kinds[k]) for k in specs}
    outputs = stand_in.run(model, name, inputs)
    outputs = {key: _texts(value.tolist()) for key, value in outputs.items()}
    if "inputs" in request:
        return {"outputs": outputs}
    rows = zip(*outputs.values(), strict=True)
    return {"predictions": [dict(zip(outputs, r, strict=True)) for r in rows]}


def _texts(values):
    return [v.decode() if isinstance(v, bytes) else v for v in values]


@contextlib.contextmanager
def rest_server(stand_in):
    """Serves over REST, with the page of metrics; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                (model,) = _PREDICT.fullmatch(self.path).groups()
                self.reply(200, answer_json(stand_in, model, body))
            except Refusal as refusal:
                status, text = refusal.args
                self.reply(status, {"error": text})

        def do_GET(self):
            if self.path == "/v1/models/gpt3":
                version = {"version": "1", "state": "AVAILABLE"}
                self.reply(200, {"model_version_status": [version]})
            elif self.path == "/monitoring/prometheus/metrics":
                self.reply(200, metrics_page(stand_in.rows))
            else:
                self.reply(404, {"error": f"Malformed request: {self.path}"})

        def reply(self, status, content):
            text = content if isinstance(content, str) else json.dumps(content)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            """Says nothing."""

    with serving(Handler) as url:
        yield url


@contextlib.contextmanager
def own_server(folder):
    """Runs the package's own server, no stand-in; yields its address."""
    app = make_app(ModelServer(folder, ServerSettings()))
    config = uvicorn.Config(app, ws="none", log_level="warning")
    server = uvicorn.Server(config)
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        sockets = {"sockets": [listener]}
        thread = threading.Thread(target=server.run, kwargs=sockets)
        # A client waits in the socket's queue until it is ready.
        listener.listen()
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def serving(handler):
    """Runs an HTTP server with a handler's class; yields its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def metrics_page(rows):
    """As TensorFlow Serving writes it, of batches of one request each."""
    prefix = ":tensorflow:serving:batching_session:"
    queue, padded = f"{prefix}queuing_latency", f"{prefix}padding_size"
    processed, pool = (
        f"{prefix}processed_batch_size",
        'thread_pool_name="batch"',
    )
    return "\n".join(
        [
            f"# TYPE {queue} histogram",
            f'{queue}_bucket{{{pool},le="100"}} 0',
            f'{queue}_bucket{{{pool},le="+Inf"}} {len(rows)}',
            f"{queue}_sum{{{pool}}} {2500 * len(rows)}",
            f"{queue}_count{{{pool}}} {len(rows)}",
            f"# TYPE {padded} histogram",
            f'{padded}_sum{{execution_batch_size="1"}} 0',
            f'{padded}_count{{execution_batch_size="1"}} {len(rows)}',
            f"# TYPE {processed} histogram",
            f"{processed}_sum{{}} {sum(rows)}",
            f"{processed}_count{{}} {len(rows)}",
            "",
        ]
    )


# === gRPC ===


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, stand_in):
        self._stand_in = stand_in

    def Predict(self, request, context):
        spec = request.model_spec
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        try:
            outputs = self._stand_in.run(spec.name, spec.signature_name, inputs)
        except Refusal as refusal:
            status, text = refusal.args
            codes = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}
            context.abort(grpc.StatusCode[codes[status]], text)
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


@contextlib.contextmanager
def grpc_server(stand_in):
    """Serves over gRPC; yields the address."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(stand_in), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()
