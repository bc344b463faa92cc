import os
import pathlib
import re
import sys

import numpy as np
import pytest

from keras_gpt3 import config_file
from keras_gpt3.config_file import read_config
from keras_gpt3.config_file import write_config
from keras_gpt3.config_model import Dict
from keras_gpt3.config_model import Float
from keras_gpt3.config_model import Int
from keras_gpt3.config_model import Str
from keras_gpt3.config_model import config_section
from keras_gpt3.strict_yaml import strict_yaml
from keras_gpt3.training.recipe.pretraining_config import DataSection
from keras_gpt3.training.recipe.pretraining_config import ModelSection
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig

SMALLEST = """
folder: runs/a
model: {preset: gpt3_small_en}
data: {shards: {books: shards/books}}
"""


@config_section
class Section:
    name: Str
    count: Int = 1
    rate: Float = 0.5
    bound: Float | None = None
    weights: dict[Str, Float] | None = None
    steps: list[Int] = ()
    overrides: Dict | None = None


def read(folder, text=SMALLEST, overrides=(), kind=PretrainingConfig):
    path = folder / "run.yaml"
    path.write_text(text, "utf-8")
    return read_config(kind, path, overrides)


def raises(error, message):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


# === Values ===


@pytest.mark.parametrize(
    "field, text, expected",
    [
        ("count", "1e3", 1000),
        ("count", "1.5E+1", 15),
        ("rate", "1e9", 1e9),
        ("rate", "-6e-4", -6e-4),
        ("rate", "3", 3.0),
        ("bound", "null", None),
        ("bound", "", None),
        ("name", "'1e9'", "1e9"),
        ("weights", "{books: 1e-1, web: 2}", {"books": 0.1, "web": 2.0}),
        ("overrides", "{dropout: 1e-1, a: b}", {"dropout": 0.1, "a": "b"}),
    ],
)
def test_numbers_are_read_with_or_without_a_point(
    field, text, expected, tmp_path
):
    section = read(tmp_path, "name: a", [f"{field}={text}"], kind=Section)
    value = getattr(section, field)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("nothing", ["", "# recipe", "health:", "health: {}"])
def test_what_a_file_does_not_say_has_its_default(nothing, tmp_path):
    expected = PretrainingConfig(
        folder="runs/a",
        model=ModelSection("gpt3_small_en"),
        data=DataSection({"books": "shards/books"}),
    )
    assert read(tmp_path, SMALLEST + nothing) == expected


# === Overrides ===


def test_overrides_reach_into_sections_and_dicts_and_later_ones_win(tmp_path):
    config = read(
        tmp_path,
        overrides=[
            "model.overrides.num_layers=3",
            "model.overrides.num_layers=2",
            "data.weights.books=0.3",
            "data.shards.web=shards/web=1",
            "recipe.total_tokens=1e9",
        ],
    )
    assert config.model.overrides == {"num_layers": 2}
    assert config.data.weights == {"books": 0.3}
    shards = {"books": "shards/books", "web": "shards/web=1"}
    assert config.data.shards == shards
    assert config.recipe.total_tokens == 1e9


@pytest.mark.parametrize("override", ["seed", "=3", "a.=3", ".a=3", "a..b=3"])
def test_an_override_of_another_form_raises(override, tmp_path):
    message = (
        "An override must have the form a.b=c. Received: "
        f"{override!r}. Write for example recipe.total_tokens=1e9."
    )
    with raises(ValueError, message):
        read(tmp_path, overrides=[override])


@pytest.mark.parametrize(
    "text, override, place",
    [
        (SMALLEST, "folder.name=a", "folder"),
        (SMALLEST, "model.preset.a.b=1", "model.preset.a"),
        ("[1]", "folder=a", "the config"),
    ],
)
def test_an_override_inside_of_a_value_raises(text, override, place, tmp_path):
    message = (
        f"An override must name a field inside sections. Received: "
        f"{override!r}, where {place} holds no keys. Shorten it, or correct "
        "the file."
    )
    with raises(ValueError, message):
        read(tmp_path, text, [override])


# === Files ===


@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_no_file_raises(there, tmp_path):
    path = tmp_path if there == "a folder" else tmp_path / "run.yaml"
    message = (
        "A config must be a file that exists. Received: "
        f"config='{path}'. Write one, or correct the path."
    )
    with raises(FileNotFoundError, message):
        read_config(PretrainingConfig, path)


@pytest.mark.parametrize(
    "content", [b"a: [", b"a: \xff\xfe\xff", b"- a\nb: c", b"\x00"]
)
def test_a_file_that_is_no_yaml_raises_in_one_line(content, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    message = f"The config file {path} must be YAML. Received: "
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        read_config(PretrainingConfig, path)
    assert str(raised.value).endswith(". Correct that place.")
    assert "\n" not in str(raised.value)


def test_an_override_that_is_no_yaml_raises(tmp_path):
    with pytest.raises(ValueError, match="^The value of seed must be YAML"):
        read(tmp_path, overrides=["seed=["])


def test_what_is_written_is_read_back_the_same(tmp_path):
    values = {"name": "1e9", "rate": 1e-30, "bound": 3e22, "count": 10**17}
    lists = {"steps": [3, 1], "weights": {"b": 1.0, "a": 0.1}}
    section = Section(**values, **lists, overrides={"null": "yes", "x": None})
    path = tmp_path / "config.yaml"
    path.write_text("an older one")
    write_config(section, path)
    received = read_config(Section, path)
    assert received == section
    # The order of sets is that of their data.
    assert list(received.weights) == ["b", "a"]
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]


def test_a_write_that_is_cut_off_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    write_config(Section("older"), path)

    def kill(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        write_config(Section("newer"), path)
    assert read_config(Section, path).name == "older"


def test_without_pyyaml_the_extra_is_named(tmp_path, monkeypatch):
    config_file._yaml.cache_clear()
    strict_yaml.cache_clear()
    monkeypatch.setitem(sys.modules, "yaml", None)
    message = (
        "A config file must be read with PyYAML. Received: import of yaml "
        "halted; None in sys.modules. Install it with pip install "
        "'keras-gpt3[pretrain]'."
    )
    with raises(ImportError, message):
        read(tmp_path)


def test_a_key_that_stands_twice_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="the key 'name' stands twice"):
        read(tmp_path, "name: a\nname: b\n")


def test_what_python_holds_comes_back_from_the_file_as_it_was(tmp_path):
    config = PretrainingConfig(
        folder=tmp_path / "run",
        model=ModelSection(
            "small",
            {"attention_pattern": ("dense", "banded"), "a": np.arange(2)},
        ),
        data=DataSection({"books": pathlib.Path("shards", "books")}),
        seed=np.int64(3),
        stop_after_minutes=np.float32(0.5),
    )
    assert config.model.overrides["attention_pattern"] == ["dense", "banded"]
    assert config.data.shards == {"books": "shards/books"}
    write_config(config, tmp_path / "config.yaml")
    assert read_config(PretrainingConfig, tmp_path / "config.yaml") == config
