import dataclasses
import inspect
import pathlib

import pytest
import typer
from typer.testing import CliRunner

import keras_gpt3.serving
from keras_gpt3.cli.serve import serve_command
from keras_gpt3.serving import ServerSettings

pytestmark = pytest.mark.backend(
    "tensorflow", reason="the command refuses other backends"
)


def run(*arguments):
    app = typer.Typer()
    app.command()(serve_command)
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_options_reach_the_server(monkeypatch):
    calls = []
    monkeypatch.setattr(
        keras_gpt3.serving, "serve", lambda *call: calls.append(call)
    )
    options = {
        "name": "small",
        "max_batch_size": 3,
        "batch_timeout_ms": 7.0,
        "max_batch_tokens": 99,
        "max_new_tokens": 5,
        "request_timeout": 9.0,
        "receive_timeout": 4.0,
        "max_connections": 12,
        "max_body_bytes": 100,
        "max_queue": 11,
        "max_streams": 2,
        "max_stop_strings": 3,
        "max_stop_bytes": 7,
        "max_answer_values": 1000,
        "max_version_loads": 3,
    }
    flags = [
        part
        for name, value in options.items()
        for part in (f"--{name.replace('_', '-')}", value)
    ]
    flags += ["--host", "::1", "--port", 0, "--allow-host", "a.example"]
    flags += ["--allow-origin", "https://b.example"]
    options["allow_hosts"] = ("a.example",)
    options["allow_origins"] = ("https://b.example",)
    assert run("folder", *flags).exit_code == 0
    assert calls == [
        (pathlib.Path("folder"), "::1", 0, ServerSettings(**options))
    ]


def test_defaults_are_those_of_the_settings():
    parameters = inspect.signature(serve_command).parameters
    for field in dataclasses.fields(ServerSettings):
        if field.name not in ("watch_seconds", "allow_hosts", "allow_origins"):
            assert parameters[field.name].default == field.default


def test_it_listens_to_this_machine_only_unless_told(monkeypatch):
    calls = []
    monkeypatch.setattr(
        keras_gpt3.serving, "serve", lambda *call: calls.append(call)
    )
    run("folder")
    assert calls[0][1:3] == ("127.0.0.1", 8501)


def test_a_folder_without_a_model_is_one_line(tmp_path):
    result = run(tmp_path / "missing", "--port", 0)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Loading {tmp_path / 'missing'} ...\n"
        "FOLDER must be a SavedModel, or hold versions in folders such as 1. "
        f"Received: FOLDER='{tmp_path / 'missing'}'. Write one with "
        "model.export(folder).\n"
    )


def test_a_wrong_option_is_one_line(tmp_path):
    result = run(tmp_path, "--max-batch-size", 0)
    assert result.exit_code == 2
    assert result.stderr == (
        "max_batch_size must be an integer of at least 1. Received: "
        "max_batch_size=0. Pass 1 or more.\n"
    )
