import dataclasses
import inspect
import json

import pytest
import typer
from typer.testing import CliRunner

from keras_gpt3 import GPT3
from keras_gpt3.cli.finetune import finetune_command
from keras_gpt3.data import CompletionExamples
from keras_gpt3.ops import op_compilation
from keras_gpt3.planning.preflight import StepMemoryError
from keras_gpt3.planning.training_memory import TrainingChoice
from keras_gpt3.training import FinetuningRecipe
from keras_gpt3.training import finetune
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

pytestmark = pytest.mark.backend(
    "tensorflow", reason="the command refuses other backends"
)

PAIRS = [
    {"prompt": "hello the", "completion": " world"},
    {"context": "12", "completion": "the"},
]


@pytest.fixture(autouse=True)
def not_compiled():
    """A small model's steps take less time than XLA to compile them."""
    with op_compilation(False):
        yield


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A small model on the disk."""
    path = tmp_path_factory.mktemp("model") / "small"
    small_text_model().save_to_preset(path)
    return path


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, PAIRS)))
    return path


def run(*arguments):
    app = typer.Typer()
    app.command()(finetune_command)
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_a_model_is_fine_tuned_and_written(preset, data, tmp_path):
    out = tmp_path / "out"
    options = ["--epochs", 1, "--batch-size", 2, "--weight-decay", 0]
    result = run(
        *("--model", preset, "--data", data, "--out", out),
        *("--validation-data", data, *options),
    )
    assert result.exit_code == 0, result.output
    assert f"2 pairs with 4 tokens to predict in {data}\n" in result.output
    assert "Validation loss of the weights kept, of epoch 1: " in result.output
    assert f"Model written to {out / 'preset'}\n" in result.output
    assert f"Curves written to {out / 'curves.png'}\n" in result.output
    assert GPT3.from_preset(str(out / "preset")).preprocessor is not None


def test_options_are_the_fields_of_a_recipe_with_its_defaults():
    options = inspect.signature(finetune_command).parameters
    for field in dataclasses.fields(FinetuningRecipe):
        assert options[field.name].default == field.default


@pytest.mark.slow
def test_adapters_may_be_all_that_is_written(preset, data, tmp_path):
    out = tmp_path / "out"
    result = run(
        *("--model", preset, "--data", data, "--out", out, "--epochs", 1),
        *("--lora-rank", 2, "--adapter-only", "--batch-size", 2),
        *("--lora-layers", "query_key_value, attention_output"),
        *("--lora-alpha", 3, "--layout", "packed"),
        *("--micro-batch-size", 1, "--rematerialization", "1"),
        *("--dtype", "mixed_bfloat16", "--seed", 3, "--sequence-length", 6),
        *("--warmup-fraction", 0.5, "--clip-norm", 0),
    )
    assert result.exit_code == 0, result.output
    assert f"Adapters written to {out / 'adapter.lora.h5'}\n" in result.output
    assert not (out / "preset").exists()
    record = json.loads((out / "history.json").read_text())
    assert (record["data"], record["sequence_length"]) == (str(data), 6)
    recipe = record["recipe"]
    assert recipe["lora_layers"] == ["query_key_value", "attention_output"]
    assert (recipe["rematerialization"], recipe["seed"]) == (1, 3)
    assert recipe["lora_alpha"] == 3
    assert (recipe["warmup_fraction"], recipe["clip_norm"]) == (0.5, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", 0], "epochs must be an integer of at least 1."),
        (["--layout", "dense"], "layout must be one of"),
        (["--adapter-only"], "adapter_only must come with a lora_rank of"),
        (["--validation-data", "none.jsonl"], "A file of pairs must exist."),
        (["--sequence-length", 99], "sequence_length"),
        (["--sequence-length", 2], "A pair must have at most sequence_length"),
        (["--truncate", "right"], "truncate must be None or 'left'."),
        (["--lora-rank", 2, "--lora-layers", "query"], "target_layer_names"),
        (["--rematerialization", "most"], "rematerialization"),
        (["--model", "no_such_model"], "no_such_model"),
        (["--dtype", "float16"], "Weights must not be float16 to be trained"),
        (["--out", "/proc/none/out"], "The folder must be one that can be "),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    options, message, preset, data, tmp_path
):
    out = tmp_path / "made" / "out"
    result = run("--model", preset, "--data", data, "--out", out, *options)
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert message in lines[-1]
    assert not out.parent.exists()


def test_a_folder_that_is_not_empty_is_refused_at_once(data, tmp_path):
    result = run("--model", "none", "--data", data, "--out", tmp_path)
    assert result.exit_code == 2
    assert "The folder must be empty or not exist yet." in result.stderr


def test_a_model_without_a_tokenizer_is_refused(data, tmp_path):
    small_model().save_to_preset(tmp_path / "ids")
    result = run(
        *("--model", tmp_path / "ids", "--data", data),
        *("--out", tmp_path / "out"),
    )
    assert result.exit_code == 2
    assert "The model must have a tokenizer. Received: model=" in result.stderr


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (1, "--micro-batch-size 1 --rematerialization block"),
        (None, "--rematerialization block without --micro-batch-size"),
    ],
)
def test_a_step_that_does_not_fit_is_answered_with_options(
    size, options, preset, data, tmp_path, monkeypatch
):
    problem = (
        "A training step of gpt3 must fit into memory: 9 GB. Received: "
        "available=5 GB."
    )
    choice = TrainingChoice(
        micro_batch_size=size, rematerialization="block", memory={}
    )

    def fit(self, *args, **kwargs):
        raise StepMemoryError(problem, choice, "Compile with it.")

    monkeypatch.setattr(GPT3, "fit", fit)
    out = tmp_path / "out"
    result = run("--model", preset, "--data", data, "--out", out)
    assert result.exit_code == 2
    assert result.stderr == f"{problem} Pass {options}.\n"
    model = GPT3.from_preset(str(preset))
    examples = CompletionExamples(str(data), model.preprocessor)
    with pytest.raises(
        MemoryError, match=f"Pass a recipe with micro_batch_size={size}, "
    ):
        finetune(model, examples)
