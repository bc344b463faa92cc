import types

import pytest
from typer.testing import CliRunner

import keras_gpt3
from keras_gpt3.cli import plan as compiling
from keras_gpt3.cli.main import app
from keras_gpt3.config_file import read_config
from keras_gpt3.training import PretrainingConfig


def run(*arguments, columns=80):
    environment = {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, ["plan", *arguments], env=environment)


def shown(result):
    return "\n".join(line.rstrip() for line in result.stdout.splitlines())


def test_what_fits_is_shown_as_python_shows_it_with_code_0():
    result = run("gpt3_small_en", "--memory", "24GB")
    assert result.exit_code == 0
    assert shown(result) == str(keras_gpt3.plan("gpt3_small_en", "24GB"))


def test_every_option_counts():
    result = run(
        *("gpt3_medium_en", "--memory", "40GiB", "--devices", "4"),
        *("--dtype", "float32", "--batch-tokens", "65536", "--length", "4096"),
    )
    plan = keras_gpt3.plan(
        "gpt3_medium_en", 40 * 2**30, 4, "float32", 65536, 4096
    )
    assert result.exit_code == 0
    assert shown(result) == str(plan)
    assert plan.rows == 4


def test_a_mesh_and_machines_can_be_described():
    result = run(
        *("gpt3_2.7b_en", "--memory", "80GB", "--devices", "16"),
        *("--mesh", "4,4,1", "--sustained-tflops", "300"),
        *("--node-devices", "4", "--node-bandwidth", "450"),
        *("--network-bandwidth", "50"),
    )
    plan = keras_gpt3.plan(
        "gpt3_2.7b_en",
        "80GB",
        16,
        mesh=(4, 4, 1),
        sustained_flops=300e12,
        links=keras_gpt3.planning.Links(4, 450e9, 50e9),
    )
    assert result.exit_code == 0
    assert shown(result) == str(plan)


def test_a_model_too_large_for_a_device_is_split_with_code_0():
    result = run("gpt3_13b_en", "--memory", "80GB", "--devices", "8")
    assert result.exit_code == 0
    assert result.stdout.startswith("gpt3_13b_en fits\n")
    assert "get_layout_map" in result.stdout


def test_what_does_not_fit_is_shown_with_code_1():
    result = run("gpt3_175b_en", "--memory", "80GB", "--devices", "8")
    assert result.exit_code == 1
    assert result.stdout.startswith("gpt3_175b_en does not fit\n")
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt3_smal_en"], "preset must be a known name, "),
        (["gpt3_small_en", "--memory", "big"], "A size of memory must be "),
        (["gpt3_small_en", "--devices", "7"], "devices must divide the rows "),
        (["gpt3_small_en", "--devices", "0"], "devices must be an integer "),
        (["gpt3_small_en", "--dtype", "int8"], "dtype must be a known one. "),
        (["gpt3_small_en", "--mesh", "2,1"], "mesh must be three integers "),
        (["gpt3_small_en", "--mesh", "a,1,1"], "mesh must be three integers"),
        (["gpt3_small_en", "--mesh", "²,1,1"], "mesh must be three integers"),
        (["gpt3_small_en", "--mesh", "2,1,1"], "mesh must multiply to device"),
        (["gpt3_small_en", "--sustained-tflops", "0"], "sustained_flops must"),
        (["gpt3_small_en", "--node-devices", "0"], "node_devices must be "),
        (
            ["gpt3_small_en", "--node-bandwidth", "0"],
            "node_bandwidth must be above 0. Received: node_bandwidth=0.0. "
            "Leave it out to use 3e+11 bytes a second.",
        ),
    ],
)
def test_a_wrong_argument_is_one_line_on_stderr_and_code_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(message)


def test_help_describes_every_option():
    result = run("--help", columns=200)
    assert result.exit_code == 0
    for option in (
        "memory",
        "devices",
        "dtype",
        "batch-tokens",
        "length",
        "mesh",
        "sustained-tflops",
        "node-devices",
        "node-bandwidth",
        "network-bandwidth",
        "compile",
        "backend",
        "write",
        "shards",
    ):
        assert f"--{option}" in result.stdout
    text = " ".join(result.stdout.split())
    assert "Exits with 0 if the model fits, 1 if it does not" in text


# === --backend ===


def test_a_backend_can_be_asked_for():
    arguments = ("gpt3_small_en", "--memory", "24GB", "--devices", "8")
    result = run(*arguments, "--backend", "jax")
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", 8, backend="jax")
    assert result.exit_code == 0 and plan.backend == "jax"
    assert shown(result) == str(plan)


# === --write ===


def test_a_config_is_written_that_a_run_reads(tmp_path):
    path = tmp_path / "run.yaml"
    result = run(
        *("gpt3_13b_en", "--memory", "80GB", "--devices", "64"),
        *("--write", str(path), "--shards", "books=shards/a=b"),
        *("--shards", "web=shards/web"),
    )
    assert result.exit_code == 0, result.stderr
    assert shown(result).endswith(
        f"The config of the run was written to {path}."
    )
    config = read_config(PretrainingConfig, path)
    assert config.data.shards == {"books": "shards/a=b", "web": "shards/web"}
    plan = keras_gpt3.plan("gpt3_13b_en", "80GB", 64)
    assert config.devices.mesh == {
        "batch": plan.mesh.data,
        "model": plan.mesh.model,
    }


def test_pretrain_refuses_what_is_not_filled_in(tmp_path):
    path = tmp_path / "run.yaml"
    assert run("gpt3_small_en", "--memory", "24GB", "--write", str(path))
    before = path.read_text()
    result = CliRunner().invoke(app, ["pretrain", "--config", str(path)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("data.shards.corpus must be a valid str")
    result = run("gpt3_small_en", "--memory", "24GB", "--write", str(path))
    assert result.exit_code == 2
    assert result.stderr.startswith("The file of a config must not exist yet.")
    assert path.read_text() == before


def test_what_does_not_fit_is_not_written(tmp_path):
    path = tmp_path / "run.yaml"
    result = run("gpt3_175b_en", "--memory", "80GB", "--write", str(path))
    assert result.exit_code == 1 and not path.exists()
    assert result.stderr == f"Nothing fits: {path} was not written.\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shards", "a=b"], "--shards must come with --write. Received: "),
        (["--shards", "a", "--write", "run.yaml"], "--shards must have the "),
        (["--shards", "=b", "--write", "run.yaml"], "--shards must have the "),
        (
            ["--shards", "a=b", "--shards", "a=c", "--write", "run.yaml"],
            "--shards must have the form NAME=FOLDER, each name once. ",
        ),
        (["--backend", "torch"], "backend must be one of jax, tensorflow. "),
        (
            ["--backend", "jax", "--mesh", "1,1,2", "--devices", "2"],
            "mesh must have axes of the backend: a model axis runs on JAX, ",
        ),
    ],
)
def test_options_that_cannot_be_honoured_write_nothing(
    tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    result = run("gpt3_small_en", "--memory", "24GB", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# === --compile ===


@pytest.fixture
def compiles(monkeypatch):
    """What the compiler is asked; it says 50 GB, or raises an error."""
    asked = []

    def set_up(error=None):
        def compile_step(config, **options):
            asked.append({"config": config} | options)
            if error is not None:
                raise error
            return types.SimpleNamespace(total=50 * 10**9)

        monkeypatch.setattr(compiling, "compile_step", compile_step)
        return asked

    return set_up


def test_the_compiler_s_figure_stands_beside_the_planner_s(compiles):
    asked = compiles()
    result = run("gpt3_small_en", "--memory", "24GB", "--compile")
    plan = keras_gpt3.plan("gpt3_small_en", "24GB")
    assert result.exit_code == 0
    planned = keras_gpt3.planning.format_bytes(plan.memory["total"])
    assert shown(result).endswith(
        "At its peak a device takes 50.0 GB by XLA's compiler for an H100, "
        f"{planned} by this plan."
    )
    assert asked == [
        {
            "config": keras_gpt3.describe("gpt3_small_en").config,
            "backend": "tensorflow",
            "rows": plan.rows,
            "length": 2048,
            "dtype": "mixed_bfloat16",
            "rematerialization": plan.rematerialization,
            "micro_batch_size": plan.micro_batch_size,
            "mesh": (1, 1),
            "layout": None,
        }
    ]


def test_replicas_of_tensorflow_are_compiled_as_one(compiles):
    asked = compiles()
    run("gpt3_small_en", "--memory", "24GB", "--devices", "4", "--compile")
    assert asked[0]["rows"] == 64
    assert asked[0]["mesh"] == (1, 1)


def test_a_mesh_is_compiled_with_its_layout_and_the_whole_batch(compiles):
    asked = compiles()
    arguments = ("gpt3_13b_en", "--memory", "80GB", "--devices", "8")
    assert run(*arguments, "--compile").exit_code == 0
    assert asked[0]["backend"] == "jax"
    assert (
        asked[0]["mesh"] == keras_gpt3.plan("gpt3_13b_en", "80GB", 8).mesh[:2]
    )
    assert asked[0]["rows"] == 1024
    assert asked[0]["layout"]["shard_weights"]


def test_a_compiler_that_is_missing_is_one_line_and_code_2(compiles):
    compiles(ImportError("XLA's compiler must be installed. Run pip install."))
    result = run("gpt3_small_en", "--memory", "24GB", "--compile")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].endswith(
        "XLA's compiler must be installed. Run pip install."
    )
    assert "Traceback" not in result.output


def test_stages_are_not_compiled(compiles):
    asked = compiles()
    result = run(
        *("gpt3_small_en", "--memory", "24GB", "--devices", "2"),
        *("--mesh", "1,1,2", "--compile"),
    )
    assert result.exit_code == 2 and asked == []
    assert result.stderr == (
        "stages must be 1 to compile a step, which XLA does for one device. "
        "Received: mesh=(1, 1, 2). Leave out --compile.\n"
    )


def test_an_interrupted_compilation_ends_without_a_traceback(compiles):
    compiles(KeyboardInterrupt())
    result = run("gpt3_small_en", "--memory", "24GB", "--compile")
    assert result.exit_code not in (0, 2)
    assert "Traceback" not in result.output
    assert "At its peak" not in result.stdout
