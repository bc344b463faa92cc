import dataclasses
import re
import threading

import pytest

from keras_gpt3.training.recipe.pretraining_config import DataSection
from keras_gpt3.training.recipe.pretraining_config import ModelSection
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.recipe.pretraining_config import RecipeSection
from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.folder import fingerprint


def make_config(**changes):
    """A config with some values that have a section, as `"a.b"`, changed."""
    config = PretrainingConfig(
        "runs/a",
        ModelSection("gpt3_small_en", overrides={"num_layers": 2}),
        DataSection(
            {"books": "there/books", "web": "there/web"},
            validation={"books": "there/held-out"},
        ),
    )
    for name, value in changes.items():
        section, _, field = name.rpartition(".")
        if section:
            inner = getattr(config, section)
            field, value = section, dataclasses.replace(inner, **{field: value})
        config = dataclasses.replace(config, **{field: value})
    return config


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "runs" / "a")


def test_a_new_folder_is_made_and_holds_the_config(folder):
    assert folder.saved_config(PretrainingConfig) is None
    assert not folder.path.exists()
    assert folder.with_saved(make_config()) == make_config()
    folder.write(make_config())
    assert folder.saved_config(PretrainingConfig) == make_config()


def test_a_folder_with_a_run_is_not_new(folder):
    folder.check_is_new()
    folder.write(make_config())
    message = (
        "The folder must hold no run with --no-resume. Received: folder="
        f"'{folder.path}', which holds one. Use another folder, or leave "
        "--no-resume out to resume it."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        folder.check_is_new()


def test_all_of_a_run_lies_in_its_folder(folder):
    places = ("config", "checkpoints", "log", "tensorboard", "preset")
    paths = [getattr(folder, name) for name in places]
    assert {path.parent for path in paths} == {folder.path}
    assert len(set(paths)) == len(places)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"folder": "elsewhere"},
        {"stop_after_minutes": 5.0},
        {"model.micro_batch_size": 2, "model.rematerialization": "block"},
        {"model.jit_compile": True},
        {"data.skip_batches": [3]},
        {"data.shards": {"books": "here/books", "web": "here/web"}},
        {"data.validation": {"web": "here"}},
        {"checkpoints.keep_last": 7, "validation.every_steps": None},
        {"health.spike_deviations": 6.0, "log.every_steps": 1},
        {"devices.replicas": 4},
    ],
)
def test_what_is_not_computed_may_change(changes, folder):
    folder.write(make_config())
    changed = make_config(**changes)
    assert folder.with_saved(changed) == changed


@pytest.mark.parametrize(
    "changes, is_same",
    [
        ({"folder": "elsewhere", "log.every_steps": 1}, True),
        ({"data.shards": {"books": "here/books", "web": "here/web"}}, True),
        ({"checkpoints.every_steps": 7}, False),
        ({"validation.max_batches": 3}, False),
        ({"devices.mesh": {"batch": 4}}, False),
        ({"seed": 1}, False),
    ],
)
def test_processes_share_all_but_paths_and_the_log(changes, is_same):
    numbers = {fingerprint(make_config(**changes)), fingerprint(make_config())}
    assert (len(numbers) == 1) == is_same


def test_what_the_recipe_leaves_open_stays_what_it_was(folder):
    resolved = RecipeSection(batch_tokens=1024, clip_norm=0.5)
    folder.write(make_config(recipe=resolved))
    assert folder.with_saved(make_config()).recipe == resolved


BOOKS = {"books": "there/books"}
SWAPPED = {"web": "there/web", "books": "there/books"}


@pytest.mark.parametrize(
    "name, value, differences",
    [
        ("seed", 1, "seed=0 there, 1 here"),
        (
            "model.preset",
            "gpt3_13b_en",
            "model.preset='gpt3_small_en' there, 'gpt3_13b_en' here",
        ),
        (
            "model.overrides",
            {"num_layers": 3, "dropout": 0.1},
            "model.overrides.dropout=None there, 0.1 here; "
            "model.overrides.num_layers=2 there, 3 here",
        ),
        (
            "model.overrides",
            {},
            "model.overrides.num_layers=2 there, None here",
        ),
        (
            "model.dtype",
            "bfloat16",
            "model.dtype='float32' there, 'bfloat16' here",
        ),
        (
            "data.shards",
            BOOKS,
            "data.shards=['books', 'web'] there, ['books'] here",
        ),
        # In the order of the sets their contexts are numbered.
        (
            "data.shards",
            SWAPPED,
            "data.shards=['books', 'web'] there, ['web', 'books'] here",
        ),
        (
            "data.weights",
            {"books": 1.0, "web": 2.0},
            "data.weights.books=None there, 1.0 here; "
            "data.weights.web=None there, 2.0 here",
        ),
        (
            "data.sequence_length",
            64,
            "data.sequence_length=None there, 64 here",
        ),
        (
            "data.attend_across_documents",
            False,
            "data.attend_across_documents=True there, False here",
        ),
        (
            "recipe.total_tokens",
            1e9,
            "recipe.total_tokens=300000000000.0 there, 1000000000.0 here",
        ),
    ],
)
def test_what_is_computed_must_not_change(name, value, differences, folder):
    folder.write(make_config())
    message = (
        "A run folder must hold one run. Received: folder="
        f"'{folder.path}', whose config has other values: {differences}. Use "
        "another folder, or the values of the run."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        folder.with_saved(make_config(**{name: value}))
    assert folder.saved_config(PretrainingConfig) == make_config()
    changed = fingerprint(make_config(**{name: value}))
    assert changed != fingerprint(make_config())


def test_a_damaged_config_raises_and_is_not_written_over(folder):
    folder.write(make_config())
    folder.config.write_text("folder: [", "utf-8")
    message = (
        "A run folder must hold the config of its run, unchanged. Received: "
        f"'{folder.config}', of which reading says: The config file "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as raised:
        folder.with_saved(make_config())
    remedy = "Put the run's config back there, or use another folder."
    assert str(raised.value).endswith(remedy)
    assert folder.config.read_text("utf-8") == "folder: ["


def test_a_second_run_is_refused_and_writes_nothing(folder):
    errors = []

    def second():
        try:
            with RunFolder(folder.path).lock():
                pass
        except BlockingIOError as error:
            errors.append(str(error))

    with folder.lock():
        folder.write(make_config())
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert errors[0].startswith("Only one process may write to a folder at")
    assert [path.name for path in folder.path.iterdir()] == ["config.yaml"]


def test_a_folder_that_was_made_for_nothing_goes(folder, tmp_path):
    with pytest.raises(ZeroDivisionError):
        with folder.lock():
            raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
