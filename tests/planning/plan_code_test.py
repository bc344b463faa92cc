import ast
import pathlib

import pytest

import keras_gpt3
from keras_gpt3.planning import Links
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.parallelism_choice import choose_parallelism
from keras_gpt3.planning.plan_output import plan_code
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from tests.planning.toy_config import TOY


def code(preset, devices, mesh=None, length=2048, rows=64, links=None):
    config = TOY
    if isinstance(preset, str):
        config = load_shipped_preset("gpt3_13b_en")["backbone"]
    config = config | {"max_sequence_length": 4096}
    job = TrainingJob(
        config, rows, length, "mixed_bfloat16", links=links or Links()
    )
    mesh = mesh and Mesh(*mesh)
    choice, _ = choose_parallelism(job, devices, 300 * 10**9, mesh)
    return choice, plan_code(preset, choice, job, context=2048)


def test_a_device_alone_needs_no_distribution():
    choice, lines = code("gpt3_13b_en", 1)
    assert lines == (
        "import keras_gpt3\n\n"
        "recipe = keras_gpt3.training.PretrainingRecipe.for_preset(\n"
        '    "gpt3_13b_en",\n'
        "    batch_tokens=131072,\n"
        f"    batch_multiple={choice.micro_batch_size},\n"
        ")\n"
        "optimizer = recipe.optimizer()\n"
        "model = keras_gpt3.GPT3.from_preset(\n"
        '    "gpt3_13b_en", dtype="mixed_bfloat16"\n'
        ")\n"
        "model.compile(\n"
        "    optimizer=optimizer,\n"
        f"    micro_batch_size={choice.micro_batch_size},\n"
        f'    rematerialization="{choice.rematerialization}",\n'
        ")"
    )


def test_replicas_are_made_in_the_scope_of_a_strategy():
    _, lines = code("gpt3_13b_en", 8)
    assert lines.startswith(
        'import os\n\nos.environ["KERAS_BACKEND"] = "tensorflow"'
    )
    assert "strategy = keras_gpt3.parallel.mirrored_strategy(8)\n" in lines
    assert "with strategy.scope():\n    model = keras_gpt3.GPT3." in lines
    assert "    model.compile(\n        optimizer=optimizer,\n" in lines
    _, lines = code("gpt3_13b_en", 16)
    assert "keras_gpt3.parallel.pretraining_strategy()" in lines


def test_a_model_axis_is_a_mesh_of_jax():
    _, lines = code("gpt3_13b_en", 8, (2, 4, 1))
    assert 'os.environ["KERAS_BACKEND"] = "jax"' in lines
    assert 'DeviceMesh(\n    (2, 4),\n    ("batch", "model"),\n' in lines
    assert "GPT3Backbone.get_layout_map(mesh)\n" in lines
    assert "keras.distribution.initialize" not in lines
    before, after = lines.split("keras.distribution.set_distribution(")
    assert "keras_gpt3.GPT3.from_preset" not in before
    assert "keras_gpt3.GPT3.from_preset" in after


def test_several_hosts_find_each_other_first():
    _, lines = code("gpt3_13b_en", 64, (8, 8, 1))
    assert "# On each of the 8 hosts" in lines
    before, after = lines.split("keras.distribution.initialize()")
    assert "DeviceMesh" in after and "DeviceMesh" not in before


@pytest.mark.parametrize("data", [1, 2])
def test_stages_are_an_argument_of_compile(data):
    _, lines = code("gpt3_13b_en", 4 * data, (data, 1, 4))
    assert 'os.environ["KERAS_BACKEND"] = "tensorflow"' in lines
    assert "    pipeline_stages=4,\n" in lines
    assert ("mirrored_strategy(2)" in lines) is (data == 2)
    assert ("strategy" in lines) is (data == 2)


def test_what_differs_from_the_recipe_is_said():
    _, lines = code("gpt3_13b_en", 1, length=4096)
    assert "    batch_tokens=262144,\n    sequence_length=4096,\n" in lines
    assert 'dtype="mixed_bfloat16", max_sequence_length=4096\n' in lines
    choice, lines = code("gpt3_13b_en", 1, rows=1024)
    assert "batch_tokens=" not in lines and "sequence_length=" not in lines


@pytest.mark.parametrize(
    ("devices", "mesh", "rows"),
    [(1, None, 1024), (8, None, 64), (64, (64, 1, 1), 64), (8, (2, 4, 1), 1)]
    + [(8, (4, 2, 1), 1024), (32, (32, 1, 1), 96), (1, None, 1)],
)
def test_the_recipe_s_batches_grow_by_what_the_mesh_takes_at_once(
    devices, mesh, rows
):
    rows *= mesh[0] if mesh else devices
    choice, lines = code("gpt3_13b_en", devices, mesh, rows=rows)
    _, _, recipe = lines.partition("\nrecipe = ")
    recipe, _, _ = recipe.partition("\noptimizer = ")
    ramp = eval(recipe, {"keras_gpt3": keras_gpt3}).batch_ramp
    assert ramp.batch_size == rows
    assert ramp.multiple == choice.mesh.data * (choice.micro_batch_size or 1)
    assert ramp.start_batch_size < 16 + ramp.multiple


@pytest.mark.parametrize("preset", ["folder", pathlib.Path("folder")])
def test_a_folder_has_no_recipe(preset):
    _, lines = code("gpt3_13b_en", 1)
    choice, _ = code("gpt3_13b_en", 1)
    job = TrainingJob(TOY, 64, 16, "float32")
    lines = plan_code(preset, choice, job, context=16)
    assert "optimizer = keras_gpt3.training.AdamW()\n" in lines
    assert '    "folder", dtype="float32"\n' in lines


def test_a_config_is_not_loaded():
    _, lines = code(TOY, 2, (1, 2, 1), length=16)
    assert "from_preset" not in lines
    assert lines.endswith(")") and "model.compile(" in lines


@pytest.mark.parametrize("name", shipped_presets())
@pytest.mark.parametrize(
    ("devices", "mesh"),
    [(1, None), (8, None), (2, (1, 2, 1)), (8, (8, 1, 1)), (4, (2, 1, 2))],
)
def test_all_code_is_python_of_at_most_80_columns(name, devices, mesh):
    _, lines = code(name, devices, mesh, length=4096, links=Links(4))
    ast.parse(lines)
    assert max(map(len, lines.splitlines())) <= 80
