import ast
import pathlib

import pytest

import keras_gpt3
from keras_gpt3.planning import Links
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.parallelism_choice import choose_parallelism
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.plan_output import plan_code
from keras_gpt3.planning.step_time import communication_bytes
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from tests.planning.toy_config import TOY

# === Communication ===


NOTHING = dict.fromkeys(("activations", "gradients", "weights", "stages"), 0)
# Of one row of 16 tokens, in bfloat16.
ACTIVATION = 16 * 8 * 2


def sent(
    mesh, micro_batches=1, policy="none", dtype="mixed_bfloat16", **shards
):
    sizes = PassSizes.of(TOY, dtype, 1, rematerialization=policy)
    share = DeviceShare.of(TOY, mesh, **shards)
    return communication_bytes(mesh, share, sizes, micro_batches)


def test_a_device_alone_sends_nothing():
    assert sent(Mesh(1), 4, "block") == NOTHING


@pytest.mark.parametrize(
    ("policy", "recomputed"), [("none", 0), (2, 2), ("block", 4)]
)
def test_a_model_axis_adds_up_activations_by_hand(policy, recomputed):
    # Two of a block forward, two backward, one again; lookup and head; four
    # float32 of the loss for each token.
    sums = 4 * 4 + recomputed + 2
    expected = sums * ACTIVATION + 16 * 4 * 4
    # A ring of 2 sends 2 x 1 / 2 of it.
    assert sent(Mesh(1, 2), 3, policy) == NOTHING | {
        "activations": 3 * expected
    }


def test_a_data_axis_adds_up_gradients_once_a_step():
    for micro_batches in (1, 5):
        found = sent(Mesh(4), micro_batches)
        assert found == NOTHING | {"gradients": 2 * 3 / 4 * 4 * 3712}


def test_gradients_are_of_the_weights_dtype_unless_they_were_added_up():
    assert sent(Mesh(2), 1, dtype="bfloat16")["gradients"] == 2 * 3712
    assert sent(Mesh(2), 2, dtype="bfloat16")["gradients"] == 4 * 3712


def test_shared_optimizer_state_sends_the_new_weights():
    found = sent(Mesh(4), 2, shard_optimizer=True)
    assert found == sent(Mesh(4), 2) | {"weights": 3 / 4 * 4 * 3712}


def test_shared_weights_are_gathered_twice_a_micro_batch():
    found = sent(Mesh(4), 5, shard_weights=True)
    assert found["weights"] == 5 * 2 * 3 / 4 * 2 * 3712
    # Scattered, which is half of the way of a sum, but every time.
    assert found["gradients"] == 5 * 3 / 4 * 4 * 3712


def test_both_axes_send_a_part_of_the_model_each():
    found = sent(Mesh(4, 2))
    assert found["gradients"] == 2 * 3 / 4 * 4 * 2024
    assert found["activations"] == sent(Mesh(1, 2))["activations"]


def test_stages_send_each_micro_batch_forward_and_back():
    found = sent(Mesh(2, 1, 2), 6)
    assert found == NOTHING | {
        "stages": 6 * 2 * ACTIVATION,
        "gradients": 4 * (2 * 872 + 224),
    }


@pytest.mark.parametrize("kind", ["activations", "gradients"])
def test_a_longer_ring_sends_more_up_to_twice_the_bytes(kind):
    meshes = {
        "activations": [Mesh(1, n) for n in (1, 2)],
        "gradients": [Mesh(n) for n in (1, 2, 8, 1024)],
    }[kind]
    found = [sent(mesh)[kind] for mesh in meshes]
    assert found == sorted(found)
    assert found[-1] <= 2 * 4 * 3712


# === Plan code ===


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


# === Plan table ===


def lines(plan):
    return [" ".join(line.split()) for line in str(plan).splitlines()]


@pytest.mark.parametrize("name", shipped_presets())
@pytest.mark.parametrize("devices", [1, 8, 1024])
def test_a_plan_fits_80_columns_and_cuts_nothing(name, devices):
    text = str(keras_gpt3.plan(name, "80GB", devices=devices))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_the_verdict_comes_first_and_the_code_last():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", devices=2)
    shown = str(plan).splitlines()
    assert shown[0] == "gpt3_small_en fits"
    assert " ".join(shown).startswith(f"gpt3_small_en fits {plan.reason[:60]}")
    assert str(plan).endswith(plan.code)
    assert repr(plan) == str(plan)


def test_a_plan_that_fails_offers_no_code():
    plan = keras_gpt3.plan("gpt3_175b_en", "24GB")
    assert str(plan).startswith("gpt3_175b_en does not fit\n")
    assert "model.compile" not in str(plan)
    assert "days" not in str(plan)
    assert f"missing {format_bytes(-plan.headroom)}" in lines(plan)


def test_settings_and_memory_are_shown_part_by_part():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", devices=2)
    shown = lines(plan)
    assert "mesh, data x model x stages 2 x 1 x 1" in shown
    assert "backend tensorflow" in shown
    assert "batch of a replica, rows x tokens 128 x 2048" in shown
    assert "batch, tokens 524,288" in shown
    assert f"micro_batch_size {plan.micro_batch_size}" in shown
    for part in ("weights", "gradients", "workspace"):
        assert f"{part} {format_bytes(plan.memory[part])}" in shown
    dense = format_bytes(plan.memory["dense_activations"])
    assert f"dense activations {dense}" in shown
    assert f"most at a time {format_bytes(plan.memory['total'])}" in shown
    assert f"free {format_bytes(plan.headroom)}" in shown
    cache = format_bytes(plan.cache)
    assert f"to generate: cache of a sequence {cache}" in shown


def test_recomputation_is_shown_as_a_share():
    # A row so long that it fits only if some blocks are computed again.
    options = {"length": 16384, "batch_tokens": 16384, "dtype": "float32"}
    roomy = keras_gpt3.plan("gpt3_small_en", "900GB", **options)
    memory = int(roomy.memory["total"] / 0.9) - 10**6
    plan = keras_gpt3.plan("gpt3_small_en", memory, **options)
    assert plan.fits and plan.recomputation > 0
    row = f"computed again, of a step's FLOPs {plan.recomputation:.1%}"
    assert row in lines(plan)
    assert f"rematerialization {plan.rematerialization}" in lines(plan)


def test_a_model_axis_is_shown_with_what_it_sends():
    plan = keras_gpt3.plan("gpt3_13b_en", "40GB", devices=8, mesh=(2, 4, 1))
    shown = lines(plan)
    assert "mesh, data x model x stages 2 x 4 x 1" in shown
    assert "backend jax" in shown
    assert f"shard_weights {plan.shard_weights}" in shown
    sent = format_bytes(plan.communication["activations"])
    assert f"activations, over the model axis {sent}" in shown
    assert "within a machine, assumed 300.0 GB/s" in shown
    assert "between machines, assumed 25.0 GB/s" in shown
    assert not any("bubble" in line or "stage to" in line for line in shown)


def test_a_pipeline_is_shown_with_its_bubble():
    plan = keras_gpt3.plan("gpt3_2.7b_en", "40GB", devices=8, mesh=(1, 1, 8))
    assert plan.fits
    shown = lines(plan)
    assert f"bubble, of a step {plan.bubble:.1%}" in shown
    sent = format_bytes(plan.communication["stages"])
    assert f"activations, from stage to stage {sent}" in shown


def test_the_time_of_a_run_stands_beside_table_d1():
    plan = keras_gpt3.plan(
        "gpt3_175b_en", "80GB", devices=1024, sustained_flops=140e12
    )
    shown = lines(plan)
    assert "FLOP/s of a device, assumed 140e12" in shown
    assert "tokens 300B" in shown
    assert f"days {plan.days:.1f}" in shown
    assert "petaflop/s-days, with attention 3,667.82" in shown
    assert "petaflop/s-days of Table D.1, without it 3,640" in shown


def test_a_config_has_no_column_in_table_d1():
    plan = keras_gpt3.plan(TOY, "4GB", batch_tokens=64)
    assert not any("D.1" in line for line in lines(plan))
    assert not any("sends" in line for line in lines(plan))
