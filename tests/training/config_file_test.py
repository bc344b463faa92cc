import dataclasses
import os
import pathlib
import re
import sys

import numpy as np
import pytest

from keras_gpt3.strict_yaml import strict_yaml
from keras_gpt3.training.recipe import config_file
from keras_gpt3.training.recipe.config_file import make_config
from keras_gpt3.training.recipe.config_file import plain_config
from keras_gpt3.training.recipe.config_file import read_config
from keras_gpt3.training.recipe.config_file import write_config
from keras_gpt3.training.recipe.pretraining_config import DataSection
from keras_gpt3.training.recipe.pretraining_config import ModelSection
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig

SMALLEST = """
folder: runs/a
model: {preset: gpt3_small_en}
data: {shards: {books: shards/books}}
"""


@dataclasses.dataclass(frozen=True)
class Section:
    name: str
    count: int = 1
    rate: float = 0.5
    bound: float | None = None
    flag: bool = False
    choice: bool | str = "auto"
    peak: float | str | None = "measure"
    weights: dict[str, float] | None = None
    steps: list[int] = dataclasses.field(default_factory=list)
    overrides: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Whole:
    section: Section
    other: Section = Section("other")


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
        ("rate", "6.0e-4", 6e-4),
        ("bound", "null", None),
        ("bound", "2", 2.0),
        ("flag", "true", True),
        ("choice", "auto", "auto"),
        ("choice", "false", False),
        ("peak", "312e12", 312e12),
        ("peak", "measure", "measure"),
        ("peak", "", None),
        ("name", "'1e9'", "1e9"),
        ("weights", "{books: 1e-1, web: 2}", {"books": 0.1, "web": 2.0}),
        ("steps", "[1, 2e1]", [1, 20]),
        ("overrides", "{dropout: 1e-1, a: b}", {"dropout": 0.1, "a": "b"}),
    ],
)
def test_values_come_in_the_type_of_their_field(
    field, text, expected, tmp_path
):
    section = read(tmp_path, "name: a", [f"{field}={text}"], kind=Section)
    value = getattr(section, field)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "field, text, name, known, received",
    [
        ("count", "1.5", "count", "int", "1.5"),
        ("count", "true", "count", "int", "True"),
        ("count", "null", "count", "int", "None"),
        ("count", ".inf", "count", "int", "inf"),
        ("count", "'3'", "count", "int", "'3'"),
        ("rate", "high", "rate", "float", "'high'"),
        ("bound", "false", "bound", "float or None", "False"),
        ("flag", "1", "flag", "bool", "1"),
        ("choice", "1", "choice", "bool or str", "1"),
        ("name", "3", "name", "str", "3"),
        ("weights", "[1]", "weights", "dict[str, float] or None", "[1]"),
        ("weights", "{a: b}", "weights.a", "float", "'b'"),
        ("weights", "{3: 1}", "Key 3 of weights", "str", "3"),
        ("steps", "3", "steps", "list[int]", "3"),
        ("steps", "[1, a]", "steps[1]", "int", "'a'"),
    ],
)
def test_values_of_another_type_raise(
    field, text, name, known, received, tmp_path
):
    message = (
        f"section.{name} must be of type {known}. Received: section.{name}="
        f"{received}. Change the config."
    ).replace("section.Key 3 of weights", "Key 3 of section.weights")
    values = ["section.name=a", f"section.{field}={text}"]
    with raises(ValueError, message):
        read(tmp_path, "", values, kind=Whole)


# === Keys ===


@pytest.mark.parametrize("nothing", ["", "# recipe", "health:", "health: {}"])
def test_what_a_file_does_not_say_has_its_default(nothing, tmp_path):
    expected = PretrainingConfig(
        folder="runs/a",
        model=ModelSection("gpt3_small_en"),
        data=DataSection({"books": "shards/books"}),
    )
    assert read(tmp_path, SMALLEST + nothing) == expected


def test_a_key_that_is_not_known_raises_with_its_whole_path(tmp_path):
    message = (
        "A config must hold known keys only. Received: "
        "checkpoints.every_hours=2. Use one of every_steps, every_minutes, "
        "keep_last, keep_every, keep_best."
    )
    with raises(ValueError, message):
        read(tmp_path, SMALLEST + "checkpoints: {every_hours: 2}")


@pytest.mark.parametrize(
    "text, missing",
    [
        ("", "folder"),
        ("folder: a\nmodel: {dtype: float32}", "model.preset"),
        ("folder: a\nmodel: {preset: a}", "data"),
    ],
)
def test_a_key_that_is_missing_raises(text, missing, tmp_path):
    message = (
        f"A config must hold {missing}. Received: no such key. Add it, or "
        f"pass --set {missing}=..."
    )
    with raises(ValueError, message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text, name, value",
    [
        ("[1]", "config", "[1]"),
        ("false", "config", "False"),
        (SMALLEST + "log: 3", "log", "3"),
    ],
)
def test_a_section_without_keys_raises(text, name, value, tmp_path):
    message = (
        f"{name} must hold keys and values. Received: {name}={value}. Write "
        "one `key: value` a line."
    )
    with raises(ValueError, message):
        read(tmp_path, text)


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
        f"{override!r}, where {place} holds no keys. Shorten it, or mend the "
        "file."
    )
    with raises(ValueError, message):
        read(tmp_path, text, [override])


# === Files ===


@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_no_file_raises(there, tmp_path):
    path = tmp_path if there == "a folder" else tmp_path / "run.yaml"
    message = (
        "A config must be a file that exists. Received: "
        f"config='{path}'. Write one, or mend the path."
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
    assert str(raised.value).endswith(". Mend that place.")
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


def test_a_config_can_be_made_of_values_alone():
    received = make_config(Whole, {"section": {"name": "a", "count": 2}})
    assert received == Whole(Section("a", count=2))


# === What is made in Python ===


def test_what_python_holds_comes_back_from_the_file_as_it_was(tmp_path):
    config = plain_config(
        PretrainingConfig(
            folder=tmp_path / "run",
            model=ModelSection(
                "small",
                {"attention_pattern": ("dense", "banded"), "a": np.arange(2)},
            ),
            data=DataSection({"books": pathlib.Path("shards", "books")}),
            seed=np.int64(3),
            stop_after_minutes=np.float32(0.5),
        )
    )
    assert config.model.overrides["attention_pattern"] == ["dense", "banded"]
    assert config.data.shards == {"books": "shards/books"}
    write_config(config, tmp_path / "config.yaml")
    assert read_config(PretrainingConfig, tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"overrides": {"dropout": object}},
            "overrides.dropout must be of a type that YAML can hold. Received: "
            "overrides.dropout=<class 'object'>, a type. Pass numbers, "
            "strings, lists and dicts.",
        ),
        (
            {"preset": 3},
            "preset must be of type str. Received: preset=3. Change the "
            "config.",
        ),
    ],
)
def test_what_no_file_can_hold_raises_before_anything_is_made(changes, message):
    with raises(ValueError, message):
        plain_config(ModelSection(**{"preset": "small"} | changes))


# === Hostile files ===


def test_a_value_beyond_all_floats_is_no_float(tmp_path):
    with pytest.raises(ValueError, match="^rate must be of type float."):
        read(tmp_path, "name: a", ["rate=1" + 400 * "0"], kind=Section)


@pytest.mark.parametrize(
    "text", ["count: " + "x" * 10**6, "x" * 900 + ": 1", "? " + "x" * 10**6]
)
def test_what_is_long_is_cut_in_messages(tmp_path, text):
    with pytest.raises(ValueError) as raised:
        read(tmp_path, text, kind=Section)
    assert len(str(raised.value)) < 1000
