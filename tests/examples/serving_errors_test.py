"""The clients of a model server where there is no model to answer."""

import socket
import subprocess
import sys

import pytest

from tests.examples.serving_scripts import SERVING
from tests.examples.serving_scripts import canned_handler
from tests.examples.serving_scripts import refusal
from tests.examples.serving_scripts import serving_scripts
from tests.examples.stand_in_model_server import serving


@pytest.fixture(scope="module")
def scripts():
    with serving_scripts() as found:
        yield found


def test_a_server_may_write_bytes_in_base64(scripts):
    body = b'{"predictions": [{"texts": {"b64": "w7zD"}}]}'
    with serving(canned_handler(body)) as url:
        client = scripts.rest_client.RestClient(url)
        assert client.generate(["a"]) == [
            {"texts": "ü\N{REPLACEMENT CHARACTER}"}
        ]


def test_the_rest_client_needs_the_standard_library_alone():
    # -S: without the packages that are installed.
    command = [sys.executable, "-S", "rest_client.py", "--help"]
    done = subprocess.run(command, cwd=SERVING, capture_output=True, text=True)
    assert done.returncode == 0
    assert "generate" in done.stdout


@pytest.mark.parametrize(
    "status, remedy",
    [
        (404, "Check --model."),
        (503, "Try again later, or send fewer at once."),
        ("UNAVAILABLE", "Try again later, or send fewer at once."),
        (400, "Check the request and the server."),
    ],
)
def test_what_the_server_itself_refuses_has_a_remedy(scripts, status, remedy):
    error = scripts.serving_error.ServingError.refused(status, "It\n is so.")
    assert str(error) == (
        "The server must accept the request. Received: "
        f"status={status}, error='It is so.'. {remedy}"
    )


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        # Bound, but nothing listens there.
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_server_that_is_not_there_is_one_line(scheme, scripts, closed_port):
    grpc, rest = scripts.grpc_client.GrpcClient, scripts.rest_client.RestClient
    url = f"{scheme}127.0.0.1:{closed_port}"
    client = (rest if scheme else grpc)(url, timeout=5)
    message = refusal(scripts, lambda: client.generate(["a"]))
    start = "A server must listen at the address. Received: url='"
    assert message.startswith(f"{start}{url}' (")
    assert "refused" in message
    assert message.endswith("Start it, or pass another --url.")


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_server_that_does_not_answer_in_time_is_one_line(scheme, scripts):
    grpc, rest = scripts.grpc_client.GrpcClient, scripts.rest_client.RestClient
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"{scheme}127.0.0.1:{silent.getsockname()[1]}"
        client = (rest if scheme else grpc)(url, timeout=0.2)
        message = refusal(scripts, lambda: client.generate(["a"]))
    assert message == (
        f"The server must answer within 0.2 seconds. Received: url='{url}'. "
        "Request fewer tokens, or pass a longer --timeout."
    )


@pytest.mark.parametrize("status", [200, 500])
def test_another_kind_of_server_is_one_line(scripts, status):
    handler = canned_handler(b"<html>\nWelcome!", status)
    with serving(handler) as url:
        client = scripts.rest_client.RestClient(url)
        message = refusal(scripts, lambda: client.generate(["a"]))
    assert message == (
        "A model server must answer in JSON, in the form of the request. "
        f"Received: url={url!r}, answer='<html> Welcome!'. Check --url."
    )


def test_without_the_extra_grpc_says_what_to_install(scripts, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(ImportError, match="pip install 'keras-gpt3\\[serving"):
        scripts.grpc_client.GrpcClient("localhost:1")


def test_a_model_that_is_not_there_is_one_line(scripts, tmp_path, capsys):
    words = ["gpt3_tiny_en", "--out", str(tmp_path / "gpt3")]
    assert scripts.export_model.main(words) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
