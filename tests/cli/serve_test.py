import dataclasses
import inspect
import os
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


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A copy of the process' variables, which the command may change."""
    variables = dict(os.environ)
    variables.pop("TF_NUM_INTEROP_THREADS", None)
    monkeypatch.setattr(os, "environ", variables)
    return variables


def run(*arguments):
    app = typer.Typer()
    app.command()(serve_command)
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.mark.parametrize(
    "drafts",
    [
        {"speculative": "prompt", "draft": None},
        {"speculative": None, "draft": pathlib.Path("small")},
    ],
)
def test_options_reach_the_server(monkeypatch, drafts):
    calls = []
    monkeypatch.setattr(
        keras_gpt3.serving, "serve", lambda *call: calls.append(call)
    )
    options = drafts | {
        "name": "small",
        "allow_hosts": ["a.example", "c.example"],
        "allow_origins": ["https://b.example"],
    }
    for field in dataclasses.fields(ServerSettings):
        options.setdefault(field.name, 7.0 if field.type is float else 3)
    flags = ["--host", "::1", "--port", 0]
    for name, value in options.items():
        is_many = isinstance(value, list)
        flag = f"--{(name[:-1] if is_many else name).replace('_', '-')}"
        for part in value if is_many else (value,):
            flags += [] if part is None else [flag, part]
    assert run("folder", *flags).exit_code == 0
    assert calls == [
        (pathlib.Path("folder"), "::1", 0, ServerSettings(**options))
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "1"), ({"TF_NUM_INTEROP_THREADS": "4"}, "4")],
)
def test_operations_run_one_at_a_time_unless_told(
    monkeypatch, environment, given, expected
):
    monkeypatch.setattr(keras_gpt3.serving, "serve", lambda *call: None)
    environment.update(given)
    run("folder")
    assert environment["TF_NUM_INTEROP_THREADS"] == expected


def test_defaults_are_those_of_the_settings():
    parameters = inspect.signature(serve_command).parameters
    for field in dataclasses.fields(ServerSettings):
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
