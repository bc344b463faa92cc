import contextlib
import errno
import pathlib
import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export import saved_model
from keras_gpt3.export import version_folder
from keras_gpt3.export.serving_files import BatchingParameters
from keras_gpt3.generation import SeededSampler
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.export.exported_models import CONTEXT
from tests.export.exported_models import make_model
from tests.export.exported_models import make_prompts
from tests.export.exported_models import refused_functions
from tests.export.exported_models import save_function
from tests.export.serving_config import read_batching
from tests.export.serving_config import read_models
from tests.export.stock_tensorflow import run_script
from tests.small_gpt3 import small_model

GREEDY = {"temperature": 0.0, "top_k": 0, "seed": 0, "end_token_id": -1}
WARM = GREEDY | {"temperature": 0.8, "seed": 7}
CALLS = {
    "logits": ("logits", {}),
    "greedy": ("generate_tokens", GREEDY),
    "best of one": ("generate_tokens", WARM | {"top_k": 1}),
    "warm": ("generate_tokens", WARM),
    "warm again": ("generate_tokens", WARM),
    "another seed": ("generate_tokens", WARM | {"seed": 8}),
    "best of five": ("generate_tokens", WARM | {"top_k": 5}),
    "up to 53": ("generate_tokens", GREEDY | {"end_token_id": 53}),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A live model, its prompts, and what its export did in a new process."""
    folder = tmp_path_factory.mktemp("export")
    model, prompts = make_model(), make_prompts()
    np.savez(folder / "inputs.npz", **prompts)
    version = model.export(folder / "model", verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "op_compilation", contextlib.nullcontext)
        compiled = model.export(folder / "model", verbose=False)
    functions = refused_functions()
    for i, function in enumerate(functions.values()):
        save_function(function, str(folder / str(i)))
    names = ["model/1", "model/2", *map(str, range(len(functions)))]
    assert [version, compiled] == [folder / name for name in names[:2]]
    report = run_script(
        scan=[str(folder / name) for name in names],
        folder=str(version),
        inputs=str(folder / "inputs.npz"),
        outputs=str(folder / "outputs.npz"),
        calls=list(CALLS.values()),
    )
    outputs = np.load(folder / "outputs.npz")
    results = {name: {} for name in CALLS}
    for key, value in outputs.items():
        call, name = key.split("/")
        results[list(CALLS)[int(call)]][name] = value
    scans = list(report["refused"].values())
    return types.SimpleNamespace(
        model=model,
        served=tf.saved_model.load(str(version)),
        prompts=prompts,
        results=results,
        packages=report["packages"],
        scans=dict(zip(["model", "compiled", *functions], scans, strict=True)),
    )


def answer(exported, call):
    return exported.results[call]["token_ids"]


def live_answer(exported, sampler):
    exported.model.compile(sampler=sampler, jit_compile=False)
    return exported.model.generate(exported.prompts)["token_ids"]


@pytest.mark.slow
def test_the_graph_holds_nothing_that_stock_serving_refuses(exported):
    assert exported.scans["model"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", refused_functions())
def test_the_scan_finds_what_stock_serving_refuses(name, exported):
    expected = [] if name == "nothing" else [name]
    assert exported.scans[name] == expected


@pytest.mark.slow
def test_without_its_switch_the_export_would_be_refused(exported):
    assert exported.scans["compiled"] == ["_XlaMustCompile"]


def test_it_runs_where_only_tensorflow_is_imported(exported):
    assert "tensorflow" in exported.packages
    unwanted = {"keras_gpt3", "keras_hub", "tensorflow_text"}
    assert not unwanted.intersection(exported.packages)


def test_logits_equal_the_live_models(exported):
    token_ids = exported.prompts["token_ids"]
    mask = np.ones_like(token_ids, "bool")
    live = exported.model({"token_ids": token_ids, "padding_mask": mask})
    logits = exported.results["logits"]["logits"]
    assert logits.dtype == "float32" and np.std(live) > 0.5
    # float32 rounding of values up to 10, sums in another order.
    np.testing.assert_allclose(logits, live, atol=1e-5)


def test_greedy_tokens_equal_the_live_models(exported):
    tokens = answer(exported, "greedy")
    assert tokens.dtype == "int32"
    np.testing.assert_array_equal(tokens, live_answer(exported, "greedy"))
    assert exported.results["greedy"]["padding_mask"].all()


def test_greedy_tokens_are_the_likeliest_of_a_full_forward_pass(exported):
    tokens = answer(exported, "greedy")
    mask = np.ones_like(tokens, "bool")
    logits = exported.model({"token_ids": tokens, "padding_mask": mask})
    likeliest = np.argmax(logits, axis=-1)[:, :-1]
    generated = ~exported.prompts["padding_mask"][:, 1:]
    np.testing.assert_array_equal(
        tokens[:, 1:][generated], likeliest[generated]
    )
    assert len(set(tokens[:, 1:][generated])) > 5


def test_prompts_come_back_as_they_are(exported):
    mask = exported.prompts["padding_mask"]
    for call in set(CALLS) - {"logits"}:
        tokens = answer(exported, call)
        np.testing.assert_array_equal(
            tokens[mask], exported.prompts["token_ids"][mask]
        )


def test_drawing_from_one_token_is_greedy(exported):
    np.testing.assert_array_equal(
        answer(exported, "best of one"), answer(exported, "greedy")
    )


def test_the_seed_decides_what_is_drawn(exported):
    warm = answer(exported, "warm")
    np.testing.assert_array_equal(warm, answer(exported, "warm again"))
    assert (warm != answer(exported, "another seed")).any()
    assert (warm != answer(exported, "greedy")).any()


def test_draws_equal_those_of_the_live_model(exported):
    live = live_answer(exported, SeededSampler(0.8, top_k=5, seed=7))
    np.testing.assert_array_equal(answer(exported, "best of five"), live)


def test_a_row_stops_at_its_end_token(exported):
    greedy = answer(exported, "greedy")
    stopped = exported.results["up to 53"]
    ends = (greedy == 53) & ~exported.prompts["padding_mask"]
    assert ends.any() and not ends.any(axis=1).all()
    for row in range(len(greedy)):
        stops = [*np.flatnonzero(ends[row]), CONTEXT - 1]
        mask = np.arange(CONTEXT) <= stops[0]
        np.testing.assert_array_equal(stopped["padding_mask"][row], mask)
        np.testing.assert_array_equal(
            stopped["token_ids"][row][mask], greedy[row][mask]
        )


@pytest.fixture
def quick(monkeypatch):
    """An export that writes all but the graph; it can be told to fail."""
    state = types.SimpleNamespace(failure=None)

    def save(root, folder, **_):
        pathlib.Path(folder, "saved_model.pb").touch()
        if state.failure is not None:
            raise state.failure

    monkeypatch.setattr(tf.saved_model, "save", save)
    return state


def test_says_what_it_wrote_unless_told_not_to(tmp_path, capsys, quick):
    model = small_model()
    model.export(tmp_path, verbose=False)
    assert capsys.readouterr().out == ""
    model.export(tmp_path)
    said = capsys.readouterr().out.replace("\n", "")
    assert said.startswith("Wrote the SavedModel (logits, score_tokens")
    assert said.endswith(str(tmp_path / "2"))


def test_each_export_is_one_more_version(tmp_path, quick):
    model = small_model()
    folders = [model.export(tmp_path / "a", verbose=False) for _ in range(3)]
    assert folders == [tmp_path / "a" / number for number in "123"]
    chosen = model.export(str(tmp_path / "a"), version=9, verbose=False)
    assert chosen == tmp_path / "a" / "9"


@pytest.mark.parametrize("failure", [OSError("full"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_nothing(failure, tmp_path, quick):
    quick.failure = failure
    with pytest.raises(type(failure)):
        small_model().export(tmp_path / "new", verbose=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["rename", "fsync"])
def test_a_version_that_cannot_be_published_leaves_nothing(
    name, tmp_path, quick, monkeypatch
):
    def fail(*_):
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(version_folder.os, name, fail)
        with pytest.raises(OSError, match="broken"):
            small_model().export(tmp_path / "new", verbose=False)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_bundle_of_the_version_before(
    tmp_path, quick, monkeypatch
):
    small_model().export(tmp_path, name="paul", verbose=False)
    quick.failure = OSError("full")
    with pytest.raises(OSError, match="full"):
        small_model().export(tmp_path, name="other", verbose=False)
    (model,) = read_models((tmp_path / "models.config").read_text())
    assert model.name == "paul"


@pytest.mark.parametrize(
    "arguments",
    [{"version": 0}, {"name": "a b"}, {"base_path": "here"}],
)
def test_a_wrong_argument_leaves_nothing(arguments, tmp_path, quick):
    with pytest.raises(ValueError, match=" Received: "):
        small_model().export(tmp_path / "new", verbose=False, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_bundle_is_that_of_the_name_and_the_place(tmp_path, quick):
    small_model().export(tmp_path, name="paul", base_path="/srv/paul")
    (model,) = read_models((tmp_path / "models.config").read_text())
    assert (model.name, model.base_path) == ("paul", "/srv/paul")
    assert {path.name for path in tmp_path.iterdir()} == {
        "1",
        "batching.config",
        "models.config",
        "monitoring.config",
    }


@pytest.mark.parametrize(
    "dtype, width, computed",
    [
        ("float32", 4, "float32"),
        ("bfloat16", 2, "bfloat16"),
        ("mixed_bfloat16", 4, "bfloat16"),
    ],
)
def test_batches_are_sized_to_the_weights_as_they_are(
    dtype, width, computed, tmp_path, quick, monkeypatch
):
    sizes = []

    def for_model(*arguments):
        sizes.append(arguments)
        return BatchingParameters(2)

    monkeypatch.setattr(BatchingParameters, "for_model", for_model)
    model = small_model(dtype=dtype)
    model.export(tmp_path, verbose=False)
    config = model.backbone.get_config()
    assert sizes == [(config, computed, width * model.count_params())]
    written = (tmp_path / "batching.config").read_text()
    assert read_batching(written)["allowed_batch_sizes"] == [1, 2]


def test_another_backend_raises(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    message = (
        "The export of a SavedModel must run on Keras' TensorFlow backend. "
        "Received: KERAS_BACKEND=jax. Save with save_to_preset, and load and "
        "export under KERAS_BACKEND=tensorflow."
    )
    with pytest.raises(NotImplementedError, match=f"^{re.escape(message)}$"):
        saved_model.export_saved_model(None, tmp_path)


def served(exported, token_ids, padding_mask):
    """Calls `generate_tokens` of the export in this process."""
    return exported.served.signatures["generate_tokens"](
        token_ids=tf.constant(token_ids, tf.int32),
        padding_mask=tf.constant(padding_mask),
        temperature=tf.constant(0.0),
        top_k=tf.constant(0),
        seed=tf.constant(0),
        end_token_id=tf.constant(-1),
    )


@pytest.mark.parametrize(
    "token_ids, padding_mask, message",
    [
        ([[1, 60]], [[True, True]], "Received: id=60. Use the tokenizer"),
        ([[1, -1]], [[True, True]], "Received: id=-1. Use the tokenizer"),
        ([[1, 1]], [[False, False]], "Received: length=0. Start with"),
        ([[1, 1]], [[False, True]], "Padding must follow the prompt."),
        ([[1] * 25], [[True] * 25], "Received: length=25. Shorten it"),
    ],
)
def test_a_bad_prompt_is_refused_by_the_graph_itself(
    token_ids, padding_mask, message, exported
):
    with pytest.raises(ValueError, match=re.escape(message)):
        with one_line_errors():
            served(exported, token_ids, padding_mask)


def test_ids_of_padding_do_not_matter(exported):
    mask = [[True, False, False]]
    answers = [
        served(exported, [[1, padding, padding]], mask)["token_ids"]
        for padding in (0, 99)
    ]
    np.testing.assert_array_equal(*answers)
