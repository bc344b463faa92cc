import json
import os
import re

import h5py
import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.models.presets.preset_files import check_plain_files
from keras_gpt3.models.presets.preset_files import damage_named
from keras_gpt3.models.presets.preset_files import has_weights
from keras_gpt3.models.presets.preset_files import hdf5_arrays
from tests.models.preset_refusal import refusal
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_text_model

# === Preset files ===


@pytest.fixture
def folder(tmp_path):
    """A saved backbone."""
    small_backbone(num_layers=1).save_to_preset(tmp_path)
    return tmp_path


def test_a_missing_folder_has_no_files_to_check():
    check_plain_files("gpt3_small_en")
    check_plain_files("kaggle://keras/gpt/keras/x")


def test_a_shard_that_is_gone_is_named(tmp_path):
    index = '{"weight_map": {"/a": ["model_00000.weights.h5"]}}'
    (tmp_path / "model.weights.json").write_text(index)
    with pytest.raises(FileNotFoundError, match="without model_00000.weights"):
        has_weights(tmp_path, None)
    assert not has_weights(tmp_path, False)


def test_a_shard_elsewhere_is_refused(tmp_path):
    index = '{"weight_map": {"/a": "../a.weights.h5"}}'
    (tmp_path / "model.weights.json").write_text(index)
    with pytest.raises(ValueError, match="under a plain file name. Received"):
        has_weights(tmp_path, True)


def test_errors_of_several_lines_become_one_and_others_stay():
    for error in (ValueError("a b\nc"), KeyError("a b"), RecursionError("a b")):
        with pytest.raises(ValueError, match=r"preset='p' \(.*a b.*\). Copy"):
            with damage_named("p"):
                raise error
    with pytest.raises(ValueError, match="^one line$"):
        with damage_named("p"):
            raise ValueError("one line")


# === Damaged folders ===


@pytest.mark.parametrize("load_weights", [None, True])
def test_weights_that_were_saved_and_are_gone_raise(load_weights, folder):
    (folder / "model.weights.h5").unlink()
    refusal(
        "A preset that was saved with weights must hold them. Received: "
        f"preset='{folder}' without model.weights.h5. Copy the whole folder "
        "that save_to_preset wrote, or pass load_weights=False for new "
        "weights.",
        folder,
        load_weights,
        error=FileNotFoundError,
    )
    assert GPT3Backbone.from_preset(folder, load_weights=False).num_layers == 1


def test_a_config_alone_gives_new_weights_and_says_so(folder, caplog):
    for name in ("model.weights.h5", "metadata.json"):
        (folder / name).unlink()
    assert GPT3Backbone.from_preset(folder).num_layers == 1
    assert f"{folder} has no weights; it is initialized" in caplog.text


def test_a_save_that_was_killed_between_its_moves_is_undone(folder):
    hidden = folder / ".model-0123abcd.tmp"
    (hidden / ".old").mkdir(parents=True)
    (hidden / "config.json").touch()
    names = '{"old": ["config.json"], "new": ["config.json"]}'
    (hidden / ".moves.json").write_text(names)
    (folder / "config.json").rename(hidden / ".old/config.json")
    assert GPT3Backbone.from_preset(folder).num_layers == 1
    assert not hidden.exists()


def config_with(**changes):
    def change(folder):
        content = json.loads((folder / "config.json").read_text())
        content["config"] |= changes
        (folder / "config.json").write_text(json.dumps(content))

    return change


def file_with(name, text):
    return lambda folder: (folder / name).write_text(text)


def array_with(make):
    """Replaces the array of a weight."""

    def change(folder):
        with h5py.File(folder / "model.weights.h5", "a") as file:
            name, array = next(iter(hdf5_arrays(file).items()))
            shape = array.shape
            del file[name]
            make(file, name, shape)

    return change


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (file_with("model.weights.h5", ""), "model.weights.h5: Unable"),
        (file_with("task.json", "[" * 10**5), "task.json: it is nested too"),
        (
            file_with("task.json", "[]"),
            "task.json names no class and its config). Copy the whole folder",
        ),
        (file_with("tokenizer.json", "{"), "tokenizer.json: Expecting"),
        (
            file_with(
                "config.json", '{"registered_name": "keras_gpt3>GPT3Backbone"}'
            ),
            "KeyError('config')",
        ),
        (config_with(dtype=7), "its dtype: Cannot interpret"),
        (config_with(dtype="float3"), "its dtype: Cannot convert"),
        (
            config_with(dtype={"class_name": "X"}),
            "its dtype: 'str' object has no",
        ),
        (
            array_with(
                lambda file, name, shape: file.create_dataset(
                    name,
                    shape,
                    "f4",
                    external=[("secret", 0, h5py.h5f.UNLIMITED)],
                )
            ),
            "model.weights.h5: data of another file, ",
        ),
        (
            array_with(
                lambda file, name, shape: file.create_dataset(
                    name, (2**20, 2**20), "f4", chunks=(2**10, 2**10)
                )
            ),
            "model.weights.h5: arrays of 43980",
        ),
    ],
)
def test_damaged_files_raise_one_line(damage, reason, folder):
    damage(folder)
    refusal(f"Received: preset='{folder}' ({reason}", folder)


def test_weights_that_are_no_numbers_are_named(tmp_path):
    backbone = small_backbone(num_layers=1)
    weight = backbone.get_layer("decoder_block_0").weights[0]
    weight.assign(np.full(weight.shape, np.nan))
    backbone.save_to_preset(tmp_path)
    refusal(
        "Weights must be finite numbers. Received: preset="
        f"'{tmp_path}' with NaN or infinity in {weight.path}. Use weights",
        tmp_path,
    )


@pytest.mark.parametrize("line", ["", "#version: 0.2", None])
@pytest.mark.parametrize("number_left", [0, -1])
def test_merges_that_were_cut_raise(number_left, line, tmp_path):
    small_text_model(num_layers=1).save_to_preset(tmp_path)
    path = tmp_path / "assets/tokenizer/merges.txt"
    version, *rules = path.read_text().splitlines()
    # Older versions did not tell how many rules there are.
    lines = [version if line is None else line, *rules[:number_left]]
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"merges.txt' \((no rule|\d+ rules)"):
        GPT3.from_preset(tmp_path)


def test_a_tokenizer_without_merges_comes_back(tmp_path):
    vocabulary = small_text_model().preprocessor.tokenizer.vocabulary
    tokenizer = GPT3Tokenizer(vocabulary, merges=[])
    tokenizer.save_assets(tmp_path)
    again = GPT3Tokenizer()
    again.load_assets(tmp_path)
    assert again("hello").tolist() == tokenizer("hello").tolist()


@pytest.mark.parametrize("name", ["model.weights.h5", "config.json"])
def test_pipes_and_links_out_of_the_folder_raise(name, folder):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refusal(f"or a socket. Received: file='{folder / name}'.", folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    refusal(f"file='{folder / name}', a link to '/dev/zero'.", folder)


# === Hdf5 arrays ===


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["b/c"], file["a"] = [1.0, 2.0], [3.0]
        yield file


def test_arrays_have_their_paths(file):
    assert [(k, len(v)) for k, v in hdf5_arrays(file).items()] == [
        ("a", 1),
        ("b/c", 2),
    ]


def link(file):
    file["b/d"] = h5py.SoftLink("/a")


def outer_link(file):
    file["b/d"] = h5py.ExternalLink("other.h5", "a")


def outer_bytes(file):
    file.create_dataset("b/d", (4,), "f4", external=[("secret", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((1,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (1,))
    file.create_virtual_dataset("b/d", layout)


def circle(file):
    file["b/d"] = file["b"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (link, "a link, b/d"),
        (outer_link, "a link, b/d"),
        (outer_bytes, "data of another file, b/d"),
        (virtual, "data of another file, b/d"),
        (circle, "a group within itself, b/d"),
    ],
)
def test_what_lies_elsewhere_is_refused(change, reason, file):
    change(file)
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        hdf5_arrays(file)
