"""One export of a small model, which all tests of the server share."""

import asyncio
import threading
import types

import numpy as np
import pytest
import tensorflow as tf
from starlette.testclient import TestClient

from keras_gpt3.serving.app import make_app
from keras_gpt3.serving.exported_model import ExportedModel
from keras_gpt3.serving.model_server import ModelServer
from keras_gpt3.serving.predict_request import request_arrays
from keras_gpt3.serving.server_metrics import ServerMetrics
from keras_gpt3.serving.server_settings import ServerSettings
from tests.serving.slot_engine_fake import use_fake_engine
from tests.small_gpt3 import small_text_model

CONTEXT = 40


@pytest.fixture(scope="session")
def export_folder(tmp_path_factory):
    """A base folder with one version."""
    folder = tmp_path_factory.mktemp("export")
    model = small_text_model(max_sequence_length=CONTEXT)
    generator = np.random.default_rng(1)
    model.set_weights(
        [w + generator.normal(0, 0.4, w.shape) for w in model.get_weights()]
    )
    model.export(folder, verbose=False)
    return folder


@pytest.fixture(scope="session")
def model(export_folder):
    return ExportedModel(export_folder / "1", version=1)


@pytest.fixture(scope="session")
def alone(export_folder):
    """What the signature itself says to one prompt, without the server."""
    loaded = tf.saved_model.load(str(export_folder / "1"))
    generate = loaded.signatures["generate"]
    types_of = {
        name: spec.dtype
        for name, spec in generate.structured_input_signature[1].items()
    }

    def answer(prompt, **options):
        options = {
            "max_new_tokens": 64,
            "temperature": 1.0,
            "top_k": 0,
            "top_p": 1.0,
            "seed": -1,
            "truncate": "",
            "stop": [],
            "prompts": [prompt],
        } | options
        outputs = generate(
            **{k: tf.constant(v, types_of[k]) for k, v in options.items()}
        )
        values = {name: x.numpy().tolist()[0] for name, x in outputs.items()}
        return {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in values.items()
        }

    return answer


@pytest.fixture(scope="session")
def arrays_of(model):
    """Checked arrays of `generate`, from one prompt and its options."""

    def arrays(prompt, **options):
        columns = {k: [v] for k, v in options.items()} | {"prompts": [prompt]}
        signature = model.signatures["generate"]
        return request_arrays(signature, columns, ServerSettings(), True)[0]

    return arrays


@pytest.fixture(scope="module")
def served(export_folder):
    """A client of the whole application, and its server."""
    server = ModelServer(
        export_folder,
        ServerSettings(
            max_new_tokens=30, max_batch_size=4, max_body_bytes=5000
        ),
    )
    headers = {"Content-Type": "application/json"}
    app = make_app(server)
    with TestClient(app, "http://127.0.0.1", headers=headers) as client:
        yield types.SimpleNamespace(client=client, server=server)


@pytest.fixture(scope="module")
def completing(export_folder):
    """As `served`, with a plain engine, which is given as well."""
    server = ModelServer(
        export_folder,
        ServerSettings(max_new_tokens=30, max_body_bytes=5000, max_queue=12),
    )
    engine = use_fake_engine(server)
    headers = {"Content-Type": "application/json"}
    client = TestClient(make_app(server), "http://127.0.0.1", headers=headers)
    with client:
        yield types.SimpleNamespace(client=client, server=server, engine=engine)


@pytest.fixture
def model_server(request):
    """What the routes need of a server that no request reaches."""
    closed = threading.Event()
    settings = {"receive_timeout": 0.2} | getattr(request, "param", {})
    return types.SimpleNamespace(
        settings=ServerSettings(**settings),
        version=1,
        metrics=ServerMetrics(),
        watch=asyncio.Event().wait,
        close=closed.set,
        closed=closed,
    )
