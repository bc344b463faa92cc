import json
import os
import re

import h5py
import numpy as np
import pytest

from keras_gpt3.models.lora.adapters import adapted_layers
from keras_gpt3.models.lora.adapters import adapter_parts
from tests.models.lora.lora_test import LAYERS
from tests.models.lora.lora_test import fill
from tests.models.lora.lora_test import states
from tests.small_gpt3 import small_backbone


@pytest.fixture
def saved(tmp_path):
    """A file of adapters of three kinds of layers, and their backbone."""
    backbone = small_backbone()
    backbone.enable_lora(2, LAYERS, lora_alpha=5)
    fill(backbone)
    path = tmp_path / "a.lora.h5"
    backbone.save_lora_weights(path)
    return path, backbone


def copy_weights(source, target):
    """Gives a backbone without adapters the frozen weights of another."""
    values = {v.path: np.array(v) for v in source.variables}
    for variable in target.variables:
        variable.assign(values[variable.path])


@pytest.mark.parametrize("enabled", [True, False])
def test_adapters_come_back_with_rank_alpha_and_layers(enabled, saved):
    path, backbone = saved
    other = small_backbone()
    copy_weights(backbone, other)
    if enabled:
        other.enable_lora(2, LAYERS, lora_alpha=5)
    other.load_lora_weights(path)
    assert [a.path for a in adapted_layers(other)] == [
        a.path for a in adapted_layers(backbone)
    ]
    np.testing.assert_array_equal(states(other), states(backbone))


def test_the_file_holds_the_adapters_alone(saved):
    path, backbone = saved
    numbers = sum(
        int(np.prod(p.shape))
        for a in adapted_layers(backbone)
        for p in adapter_parts(a)
    )
    with h5py.File(path) as file:
        sizes = []
        file.visititems(
            lambda _, x: sizes.append(getattr(x, "size", 0)) and None
        )
    assert sum(sizes) == numbers
    # HDF5 itself takes about 1 kB for each group and array.
    assert path.stat().st_size < 4 * numbers + 2**15


def test_a_save_that_fails_leaves_the_old_file(saved, monkeypatch):
    path, backbone = saved
    before = path.read_bytes()

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(h5py.File, "__setitem__", fail)
    with pytest.raises(OSError, match="No space left"):
        backbone.save_lora_weights(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "enabled", "message"),
    [
        (
            "a.h5",
            True,
            "The name of a file of adapters must end in .lora.h5. Received: "
            "filepath='{path}'. Rename it.",
        ),
        (
            "a.lora.h5",
            False,
            "A backbone must have adapters to save. Received: none. Call "
            "enable_lora first.",
        ),
    ],
)
def test_what_cannot_be_saved_raises(name, enabled, message, tmp_path):
    backbone = small_backbone(num_layers=1)
    if enabled:
        backbone.enable_lora(2)
    message = message.format(path=tmp_path / name)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        backbone.save_lora_weights(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"hidden_dim": 32},
            r"must fit the layers of the model. Received: .* with "
            r"decoder_block_0/feed_forward_output of shapes \(32, 2\) and "
            r"\(2, 16\), where the model has a kernel of shape \(32, 32\).",
        ),
        (
            {"num_layers": 1},
            r"with decoder_block_1/feed_forward_output of shapes .* where the "
            "model has no such layer. Load the model that they were trained",
        ),
        (
            {"num_layers": 3},
            r"must have an adapter for each layer of an adapted name. "
            r"Received: .* without decoder_block_2/feed_forward_output.",
        ),
    ],
)
def test_another_model_raises_and_stays_as_it_is(overrides, message, saved):
    other = small_backbone(**overrides)
    with pytest.raises(ValueError, match=message):
        other.load_lora_weights(saved[0])
    assert adapted_layers(other) == []


def test_other_adapters_raise(saved):
    other = small_backbone()
    other.enable_lora(2)
    message = (
        "The file's adapters must be those of the model. Received: filepath="
        f"'{saved[0]}' with rank=2, lora_alpha=5, target_layer_names="
        "['feed_forward_output', 'query_key_value', 'token_embedding'], a "
        "model with rank=2, lora_alpha=2, target_layer_names="
        "['query_key_value']. Load them into a model without adapters."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        other.load_lora_weights(saved[0])


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])


def overwrite(path):
    path.write_text("weights")


def strip(path):
    with h5py.File(path, "a") as file:
        del file.attrs["keras_gpt3_lora"]


KERNEL = "decoder_block_0/query_key_value"


def replaced(path, make):
    """Puts another array under the name of one."""
    with h5py.File(path, "a") as file:
        shape = file[f"{KERNEL}/a"].shape
        del file[f"{KERNEL}/a"]
        make(file, f"{KERNEL}/a", shape)


def store_outside(path):
    (path.parent / "secret").write_bytes(bytes(2**12))
    outside = [(str(path.parent / "secret"), 0, h5py.h5f.UNLIMITED)]
    replaced(
        path,
        lambda file, name, shape: file.create_dataset(
            name, shape, "float32", external=outside
        ),
    )


def map_virtually(path):
    def make(file, name, shape):
        layout = h5py.VirtualLayout(shape, "float32")
        layout[:] = h5py.VirtualSource("other.h5", "a", shape)
        file.create_virtual_dataset(name, layout)

    replaced(path, make)


def link_outside(path):
    replaced(
        path,
        lambda file, name, _: file.__setitem__(
            name, h5py.ExternalLink("other.h5", "a")
        ),
    )


def link_in_a_circle(path):
    with h5py.File(path, "a") as file:
        file["decoder_block_0/again"] = file["decoder_block_0"]


def text_for_numbers(path):
    replaced(
        path,
        lambda file, name, shape: file.__setitem__(name, np.full(shape, b"x")),
    )


def settings(text):
    def change(path):
        with h5py.File(path, "a") as file:
            file.attrs["keras_gpt3_lora"] = text

    return change


def changed_settings(**changes):
    fields = {
        "rank": 2,
        "lora_alpha": 5,
        "target_layer_names": LAYERS,
    } | changes
    return settings(json.dumps(fields))


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        overwrite,
        strip,
        store_outside,
        map_virtually,
        link_outside,
        link_in_a_circle,
        text_for_numbers,
        settings(3),
        settings("[]"),
        settings("[" * 10_000),
        settings('{"rank": 2}'),
        changed_settings(rank=None),
        changed_settings(lora_alpha="5"),
        changed_settings(lora_alpha=float("nan")),
        changed_settings(lora_alpha=10**400),
        changed_settings(target_layer_names=5),
        changed_settings(target_layer_names=["x" * 1000]),
    ],
)
def test_a_damaged_file_raises_and_changes_nothing(damage, saved):
    path, _ = saved
    damage(path)
    other = small_backbone(num_layers=1)
    with pytest.raises(ValueError) as raised:
        other.load_lora_weights(path)
    message = str(raised.value)
    assert message.startswith(
        "A file of adapters must be whole, and written by save_lora_weights. "
        f"Received: filepath='{path}' ("
    )
    assert "\n" not in message
    assert len(message) < 600
    assert adapted_layers(other) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (settings(3), "its attribute keras_gpt3_lora is not text"),
        (
            settings("[]"),
            "its attribute keras_gpt3_lora must hold ['rank', 'lora_alpha', "
            "'target_layer_names']",
        ),
        (
            changed_settings(rank=0),
            "its rank must be an integer of at least 1, not 0",
        ),
        (
            changed_settings(lora_alpha=0),
            "its lora_alpha must be a number above 0, not 0",
        ),
        (
            changed_settings(target_layer_names=5),
            "its target_layer_names must be a list of names, not 5",
        ),
    ],
)
def test_what_is_wrong_with_the_settings_is_named(change, reason, saved):
    path, _ = saved
    change(path)
    message = (
        "A file of adapters must be whole, and written by save_lora_weights. "
        f"Received: filepath='{path}' ({reason}). Save the adapters again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        small_backbone(num_layers=1).load_lora_weights(path)


def test_a_stated_size_is_refused_unread(saved):
    path, _ = saved
    replaced(
        path,
        lambda file, name, _: file.create_dataset(
            name, (2**20, 2**20), "float32", chunks=(2**10, 2**10)
        ),
    )
    other = small_backbone()
    with pytest.raises(ValueError, match=r"of shapes \(1048576, 1048576\)"):
        other.load_lora_weights(path)
    assert adapted_layers(other) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_name_their_array(value, saved):
    path, _ = saved
    with h5py.File(path, "a") as file:
        file[f"{KERNEL}/b"][0, 1] = value
    other = small_backbone()
    message = (
        f"Adapters must be finite numbers. Received: filepath='{path}' with "
        f"NaN or infinity in {KERNEL}/b. Use adapters from before"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        other.load_lora_weights(path)
    assert adapted_layers(other) == []


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.lora.h5")
    with pytest.raises(ValueError, match="must be a regular one"):
        small_backbone(num_layers=1).load_lora_weights(tmp_path / "a.lora.h5")


def test_settings_of_numpys_types_are_saved(tmp_path):
    backbone = small_backbone(num_layers=1)
    backbone.enable_lora(np.int64(2), lora_alpha=np.float32(0.5))
    backbone.save_lora_weights(tmp_path / "a.lora.h5")
    other = small_backbone(num_layers=1)
    other.load_lora_weights(tmp_path / "a.lora.h5")
    assert len(adapted_layers(other)) == 1


def test_a_file_that_is_not_there_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="must exist. Received: file"):
        small_backbone(num_layers=1).load_lora_weights(tmp_path / "b.lora.h5")
