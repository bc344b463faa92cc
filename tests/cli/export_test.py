import gc
import re

import pytest
import typer
from typer.testing import CliRunner

from keras_gpt3.cli.export import export_command
from keras_gpt3.models import GPT3
from tests.small_gpt3 import small_text_model

pytestmark = pytest.mark.backend(
    "tensorflow", reason="the command refuses other backends"
)


@pytest.fixture
def exported(monkeypatch):
    """What is exported, and how, in place of an export."""
    calls = []

    def export(model, folder, **arguments):
        calls.append((model, folder, arguments))

    monkeypatch.setattr(GPT3, "export", export)
    return calls


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model on the disk."""
    path = tmp_path_factory.mktemp("model") / "small"
    small_text_model().save_to_preset(path)
    return path


def run(*arguments):
    app = typer.Typer()
    app.command()(export_command)
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_a_model_is_exported_as_the_next_version(exported, folder, tmp_path):
    result = run("--model", folder, tmp_path / "out")
    assert result.exit_code == 0, result.output
    ((model, out, arguments),) = exported
    assert out == tmp_path / "out"
    assert arguments == {"format": "tf_saved_model"}
    assert model.preprocessor.tokenizer.vocabulary_size() == 272
    assert model.dtype_policy.name == "float32"


def test_a_file_of_another_format_may_have_a_cache(exported, folder, tmp_path):
    path = tmp_path / "model.onnx"
    options = ("--format", "onnx", "--cache-length", 12)
    result = run("--model", folder, path, *options)
    assert result.exit_code == 0, result.output
    ((_, out, arguments),) = exported
    assert out == path
    assert arguments == {"format": "onnx", "cache_length": 12}


@pytest.mark.parametrize(
    ("format", "option", "value"),
    [("onnx", "--name", "paul"), ("tf_saved_model", "--cache-length", 8)],
)
def test_an_option_of_another_format_is_refused(
    format, option, value, exported, folder, tmp_path
):
    result = run("--model", folder, tmp_path, "--format", format, option, value)
    assert result.exit_code == 2
    assert result.stderr == (
        f"{option} must not be given for format '{format}'. Received: "
        f"{option} {value}. Leave it out.\n"
    )
    assert exported == []


def test_number_name_and_place_can_be_chosen(exported, folder, tmp_path):
    options = ("--version", 7, "--name", "paul", "--base-path", "/srv/paul")
    run("--model", folder, tmp_path, *options)
    ((_, _, arguments),) = exported
    assert arguments == {
        "format": "tf_saved_model",
        "version": 7,
        "name": "paul",
        "base_path": "/srv/paul",
    }


def test_the_dtype_can_be_chosen(exported, folder, tmp_path):
    run("--model", folder, tmp_path, "--dtype", "bfloat16")
    assert {v.dtype for v in exported[0][0].backbone.weights} == {"bfloat16"}


def test_weights_can_be_quantized(exported, folder, tmp_path):
    # Keras collects garbage for each layer that it quantizes.
    gc.freeze()
    result = run("--model", folder, tmp_path, "--quantize", "int8")
    gc.unfreeze()
    assert result.exit_code == 0, result.output
    block = exported[0][0].backbone.decoder_blocks[0]
    assert block.query_key_value.quantization_mode == "int8"


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ("--quantize", "int3"),
            "What to quantize to must be int8 or int4. Received: "
            "quantize=int3. Leave it out to keep the weights as they are.",
        ),
        (
            ("--dtype", "float33"),
            "dtype must be a Keras dtype policy. Received: dtype='float33'.",
        ),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    options, message, exported, folder, tmp_path
):
    result = run("--model", folder, tmp_path / "out", *options)
    assert result.exit_code == 2
    assert re.match(re.escape(message), result.stderr)
    assert result.stderr.count("\n") == 1
    assert exported == [] and list(tmp_path.iterdir()) == []


def test_an_error_of_the_export_itself_is_one_line(folder, tmp_path):
    (tmp_path / "1").mkdir()
    result = run("--model", folder, tmp_path, "--version", 1)
    assert result.exit_code == 2
    assert result.stderr == (
        "The version must not be there already. Received: version=1, where "
        f"'{tmp_path}' holds 1. Pass another, or None for the next.\n"
    )


def test_a_model_must_be_named(tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 2 and "--model" in result.stderr
