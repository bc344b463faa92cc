"""Tests of a plan written as a run's config, and of a mesh for a run."""

import dataclasses
import re

import pytest

import keras_gpt3
from keras_gpt3.config_file import read_config
from keras_gpt3.planning import Links
from keras_gpt3.planning import estimate_sharded_memory
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning import proposed_devices
from keras_gpt3.planning.mesh import meshes
from keras_gpt3.planning.run_config import devices_section
from keras_gpt3.planning.run_config import write_run_config
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from keras_gpt3.training import DevicesSection
from keras_gpt3.training import PretrainingConfig
from keras_gpt3.training.recipe.run_recipe import batch_multiple
from keras_gpt3.training.recipe.run_recipe import run_recipe
from tests.planning.toy_config import TOY

SHARDS = {"books": "shards/books", "1e9": "shards/a: b"}

# === The file ===


@pytest.fixture
def written(tmp_path):
    """A function from a plan to what a run reads."""

    def write(plan, preset, shards=SHARDS):
        path = tmp_path / "run.yaml"
        write_run_config(plan, preset, path, shards)
        lines = path.read_text().splitlines()
        # A command stays in its line.
        assert max(len(x) for x in lines if "--config" not in x) <= 80
        return read_config(PretrainingConfig, path)

    return write


def check_batches(config, plan, parts):
    """Raises unless the run's batches suit the mesh and its micro-batches."""
    section, rows = config.recipe, config.model.micro_batch_size
    recipe = run_recipe(
        section,
        config.model.preset,
        config.data.sequence_length or plan.length,
    )
    multiple = batch_multiple(section, recipe, rows, parts)
    recipe = dataclasses.replace(recipe, batch_multiple=multiple)
    assert recipe.batch_tokens == plan.batch_tokens
    assert recipe.total_tokens == plan.total_tokens
    for step in (0, recipe.num_steps // 9, recipe.num_steps - 1):
        contexts, rest = divmod(recipe.at(step).batch_tokens, plan.length)
        assert rest == 0 and contexts % multiple == 0


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
@pytest.mark.parametrize("devices", [1, 8, 64])
@pytest.mark.parametrize("preset", ["gpt3_small_en", "gpt3_2.7b_en"])
def test_a_run_reads_what_was_planned(written, preset, devices, backend):
    plan = keras_gpt3.plan(preset, "80GB", devices, backend=backend)
    assert plan.fits and plan.backend == backend
    config = written(plan, preset)
    assert config.model.preset == preset
    assert config.model.dtype == plan.dtype
    assert config.model.micro_batch_size == plan.micro_batch_size
    assert config.model.rematerialization == plan.rematerialization
    assert config.data.shards == SHARDS
    assert config.folder == f"runs/{preset}"
    assert config.devices.shard_weights == plan.shard_weights
    assert config.devices.shard_optimizer == plan.shard_optimizer
    second = {"jax": "model", "tensorflow": "stages"}[backend]
    mesh = {"batch": plan.mesh.data, second: max(plan.mesh[1:])}
    # TensorFlow's workers are named by TF_CONFIG, each with its devices.
    is_left_out = devices == 1 or (backend == "tensorflow" and devices > 8)
    assert config.devices.mesh == (None if is_left_out else mesh)
    check_batches(config, plan, plan.mesh.data)


def test_a_mesh_of_both_axes_and_shared_weights_are_written(written):
    plan = keras_gpt3.plan("gpt3_175b_en", "80GB", 1024)
    assert plan.shard_weights and plan.mesh.model > 1
    config = written(plan, "gpt3_175b_en")
    assert config.devices == DevicesSection(**devices_section(plan))
    check_batches(config, plan, plan.mesh.data)


def test_stages_are_written(written):
    plan = keras_gpt3.plan("gpt3_2.7b_en", "80GB", 8, mesh=(2, 1, 4))
    config = written(plan, "gpt3_2.7b_en")
    assert config.devices == DevicesSection(mesh={"batch": 2, "stages": 4})
    check_batches(config, plan, 2)


@pytest.mark.parametrize("length", [1024, 4096])
def test_rows_of_another_length_are_written(written, length):
    plan = keras_gpt3.plan("gpt3_small_en", "80GB", 8, length=length)
    config = written(plan, "gpt3_small_en")
    assert config.data.sequence_length == length
    longer = {"max_sequence_length": 4096} if length == 4096 else {}
    assert config.model.overrides == longer
    check_batches(config, plan, 8)


def test_what_has_its_default_is_left_out(tmp_path):
    path = tmp_path / "run.yaml"
    plan = keras_gpt3.plan("gpt3_small_en", "900GB", dtype="float32")
    write_run_config(plan, "gpt3_small_en", path, {"books": "shards"})
    lines = path.read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        *("folder: runs/gpt3_small_en", "model:", "  preset: gpt3_small_en"),
        *("data:", "  shards:", "    books: shards"),
    ]


def comments(path):
    lines = path.read_text().splitlines()
    return " ".join(line[1:].strip() for line in lines if line[:1] == "#")


def test_comments_say_what_was_planned_and_how_to_start(tmp_path):
    plan = keras_gpt3.plan("gpt3_13b_en", "80GB", 64)
    path = tmp_path / "run.yaml"
    write_run_config(plan, "gpt3_13b_en", path, SHARDS)
    text = comments(path)
    assert "gpt3_13b_en on 64 devices of 80.0 GB, as keras-gpt3" in text
    assert f"takes {format_bytes(plan.memory['total'])}; 300B tok" in text
    assert f"take {plan.days:.1f} days, if each keeps up 125 TFL" in text
    assert "on each of the 8 hosts, which the three variables KERAS_D" in text
    command = f"KERAS_BACKEND=jax keras-gpt3 pretrain --config {path}"
    assert command in text
    alone = keras_gpt3.plan("gpt3_small_en", "80GB", 64, backend="tensorflow")
    path.unlink()
    write_run_config(alone, "gpt3_small_en", path)
    assert "8 hosts, which TF_CONFIG names" in comments(path)
    assert "KERAS_BACKEND=tensorflow keras-gpt3" in comments(path)


def test_a_place_that_is_not_filled_in_is_refused_by_one_line(tmp_path):
    path = tmp_path / "run.yaml"
    plan = keras_gpt3.plan("gpt3_small_en", "80GB")
    write_run_config(plan, "gpt3_small_en", path)
    assert "Fill in: names of corpora" in comments(path)
    message = "data.shards.corpus must be a valid string. Received: data."
    with pytest.raises(ValueError, match=f"^{message}shards.corpus=None"):
        read_config(PretrainingConfig, path)
    filled = ["data.shards.corpus=shards/books"]
    config = read_config(PretrainingConfig, path, filled)
    assert config.data.shards == {"corpus": "shards/books"}


def test_a_file_is_not_replaced(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("mine")
    plan = keras_gpt3.plan("gpt3_small_en", "80GB")
    message = "The file of a config must not exist yet. Received: write="
    with pytest.raises(FileExistsError, match=f"^{message}"):
        write_run_config(plan, "gpt3_small_en", path)
    assert path.read_text() == "mine"


def test_a_model_s_folder_has_a_rate_to_fill_in(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    known = keras_gpt3.describe(TOY)
    monkeypatch.setattr(
        "keras_gpt3.planning.run_config.describe", lambda preset: known
    )
    plan = keras_gpt3.plan(TOY, "4GB", 2, batch_tokens=128)
    path = tmp_path / "run.yaml"
    write_run_config(plan, folder, path, SHARDS)
    config = read_config(PretrainingConfig, path)
    assert config.model.preset == str(folder)
    assert config.recipe.batch_tokens == 128
    message = "^recipe.learning_rate must be given where the preset has no"
    with pytest.raises(ValueError, match=message):
        run_recipe(config.recipe, config.model.preset, plan.length)
    override = ["recipe.learning_rate=1e-3"]
    section = read_config(PretrainingConfig, path, override).recipe
    assert run_recipe(section, config.model.preset, 16).batch_tokens == 128


# === The mesh alone ===

LARGE = load_shipped_preset("gpt3_13b_en")["backbone"]
STEP = {"micro_batch_size": 4, "rematerialization": "block"}
OPTIONS = {"batch_tokens": 2**21, "dtype": "mixed_bfloat16", **STEP}


def propose(devices, memory, backend="jax", config=LARGE, **options):
    options = OPTIONS | options
    return proposed_devices(config, devices, memory, backend=backend, **options)


def memory_of(mesh, shards, config=LARGE, rows=1024):
    return estimate_sharded_memory(
        config,
        mesh,
        dtype="mixed_bfloat16",
        batch_size=rows // mesh.data,
        **STEP,
        **shards,
    )["total"]


@pytest.mark.parametrize(
    ("devices", "memory"), [(8, 80), (64, 80), (64, 40), (64, 24)]
)
def test_the_mesh_of_a_given_step_fits_if_any_does(devices, memory):
    section = propose(devices, memory * 10**9)
    DevicesSection(**section)
    found = {mesh[:2]: mesh for mesh in meshes(LARGE, devices, 8, "jax")}
    mesh = found[section["mesh"]["batch"], section["mesh"]["model"]]
    shards = {k: section[k] for k in ("shard_weights", "shard_optimizer")}
    budget = 0.9 * memory * 10**9
    assert memory_of(mesh, shards) <= budget
    # What is simpler would not do: replicas of the whole model.
    assert memory_of(found[devices, 1], {}) > budget


def test_what_fits_nowhere_is_refused_with_what_takes_least():
    least = min(
        memory_of(mesh, shards)
        for mesh in meshes(LARGE, 8, 8, "jax")
        for shards in ({}, {"shard_optimizer": True}, {"shard_weights": True})
    )
    message = "A training step must fit on a mesh of the devices. Received: "
    with pytest.raises(MemoryError, match=f"^{message}devices=8 of 16.0 GB"):
        propose(8, "16GB")
    fits = int(least / 0.9) + 2
    assert propose(8, fits)["mesh"]
    with pytest.raises(MemoryError, match=re.escape(format_bytes(least))):
        propose(8, fits - 4)


def test_replicas_do_where_the_model_fits():
    small = load_shipped_preset("gpt3_small_en")["backbone"]
    options = {"config": small, "batch_tokens": 2**19}
    alone = {"shard_weights": False, "shard_optimizer": False}
    assert propose(8, "80GB", **options) == alone | {
        "mesh": {"batch": 8, "model": 1}
    }
    assert propose(8, "80GB", "tensorflow", **options) == alone | {
        "mesh": {"batch": 8, "stages": 1}
    }


def test_replicas_of_tensorflow_take_what_a_device_alone_takes():
    small = load_shipped_preset("gpt3_small_en")["backbone"]
    options = {"config": small, "batch_tokens": 2**19}
    needed = estimate_training_memory(
        small,
        dtype="mixed_bfloat16",
        batch_size=32,
        accelerator="tensorflow",
        **STEP,
    )["total"]
    fits = int(needed / 0.9) + 2
    section = propose(8, fits, "tensorflow", **options)
    assert section["mesh"] == {"batch": 8, "stages": 1}
    section = propose(8, fits - 4, "tensorflow", **options)
    assert section["mesh"]["stages"] > 1


@pytest.mark.parametrize("multiple", [32, 64, 256])
def test_replicas_times_micro_batch_divide_every_batch(multiple):
    section = propose(64, "80GB", batch_multiple=multiple)
    assert multiple % (section["mesh"]["batch"] * 4) == 0
    assert section["mesh"]["batch"] * section["mesh"]["model"] == 64


def test_batches_that_no_mesh_divides_are_refused():
    message = "A mesh must have replicas that divide the batches. Received: "
    with pytest.raises(ValueError, match=f"^{message}devices=64, micro_batch_"):
        # A model axis of 16 or more divides no 40 heads and 64 devices.
        propose(64, "80GB", batch_multiple=16)
    message = "batch_multiple must divide the rows of the batch. Received: b"
    with pytest.raises(ValueError, match=f"^{message}"):
        propose(64, "80GB", batch_multiple=3)


def test_machines_keep_the_model_axis_small():
    links = Links(node_devices=2)
    assert propose(64, "80GB", links=links)["mesh"]["model"] <= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": 0}, "devices must be an integer of at least 1. "),
        ({"backend": "torch"}, "backend must be one of jax, tensorflow. "),
        ({"batch_tokens": 100}, "batch_tokens must be a multiple of length. "),
        ({"memory": "much"}, "A size of memory must be a number of bytes"),
        ({"batch_multiple": 0}, "batch_multiple must be an integer of at le"),
        ({"length": 0}, "length must be an integer of at least 1. "),
    ],
)
def test_a_wrong_argument_raises(options, message):
    options = {"devices": 64, "memory": "80GB"} | options
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        propose(**options)


# === A backend that is given ===


@pytest.mark.parametrize("preset", shipped_presets())
@pytest.mark.parametrize("devices", [8, 64])
def test_a_backend_plans_with_what_it_has_alone(preset, devices):
    plan = keras_gpt3.plan(preset, "80GB", devices, backend="tensorflow")
    assert plan.backend == "tensorflow" and plan.mesh.model == 1
    assert not (plan.shard_weights or plan.shard_optimizer)
    plan = keras_gpt3.plan(preset, "80GB", devices, backend="jax")
    assert plan.backend == "jax" and plan.mesh.stages == 1
    either = keras_gpt3.plan(preset, "80GB", devices)
    # Of what one backend has the best is found with it as well.
    other = keras_gpt3.plan(preset, "80GB", devices, backend=either.backend)
    # The reason may say what replicas would take, which is the backend's.
    assert dataclasses.replace(other, reason=either.reason) == either


def test_replicas_run_under_jax_as_well():
    plan = keras_gpt3.plan("gpt3_small_en", "80GB", 8, backend="jax")
    assert plan.mesh == (8, 1, 1) and plan.fits
    assert plan.memory == estimate_training_memory(
        load_shipped_preset("gpt3_small_en")["backbone"],
        dtype="mixed_bfloat16",
        batch_size=32,
        micro_batch_size=plan.micro_batch_size,
        rematerialization=plan.rematerialization,
        accelerator="jax",
    )
    assert '"KERAS_BACKEND"] = "jax"' in plan.code
    assert "    (8, 1),\n" in plan.code
    alone = keras_gpt3.plan("gpt3_small_en", "80GB", backend="jax")
    assert alone.code.startswith('import os\n\nos.environ["KERAS_BACKEND"] =')


@pytest.mark.parametrize(
    ("mesh", "backend"), [((1, 4, 1), "tensorflow"), ((1, 1, 4), "jax")]
)
def test_a_mesh_of_the_other_backend_is_refused(mesh, backend):
    message = f"mesh must have axes of the backend.*mesh=.*backend='{backend}'"
    with pytest.raises(ValueError, match=message):
        keras_gpt3.plan("gpt3_small_en", "80GB", 4, mesh=mesh, backend=backend)
    with pytest.raises(ValueError, match="^backend must be one of jax, tens"):
        keras_gpt3.plan("gpt3_small_en", "80GB", 4, backend="torch")
