import math
import pathlib
import pickle
import re
import runpy
import sys
import typing

import numpy as np
import pydantic
import pytest

from keras_gpt3 import config_model
from keras_gpt3.config_model import Bool
from keras_gpt3.config_model import Dict
from keras_gpt3.config_model import Float
from keras_gpt3.config_model import Int
from keras_gpt3.config_model import NonNegativeInt
from keras_gpt3.config_model import PositiveFloat
from keras_gpt3.config_model import PositiveInt
from keras_gpt3.config_model import Section
from keras_gpt3.config_model import Share
from keras_gpt3.config_model import Str
from keras_gpt3.config_model import config_section
from keras_gpt3.config_model import make_config


def check_is_short(text):
    if len(text) > 9:
        raise ValueError("must have at most 9 letters", "Shorten it.")
    return text


@config_section
class Part:
    name: typing.Annotated[Str, pydantic.AfterValidator(check_is_short)]
    count: Int = 1
    rows: PositiveInt = 1
    rate: Float = 0.5
    share: Share = 0.5
    bound: PositiveFloat | None = None
    flag: Bool = False
    choice: Bool | typing.Literal["auto"] = "auto"
    peak: PositiveFloat | typing.Literal["measure"] | None = "measure"
    weights: dict[Str, Float] | None = None
    steps: list[NonNegativeInt] = ()
    overrides: Dict | None = None

    @pydantic.model_validator(mode="after")
    def _check_rows(self):
        if self.count % self.rows:
            raise ValueError(
                f"rows must divide count. Received: rows={self.rows}, "
                f"count={self.count}. Use a divisor."
            )
        return self


@config_section
class Whole:
    part: Section[Part]
    other: Section[Part] = Part("other")
    parts: dict[Str, Section[Part]] | None = None


def raises(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


# === Values ===


@pytest.mark.parametrize(
    "field, value, expected",
    [
        ("count", 1e3, 1000),
        ("count", 10**400, 10**400),
        ("rate", 3, 3.0),
        ("rate", np.float32(0.5), 0.5),
        ("bound", None, None),
        ("bound", 2, 2.0),
        ("flag", True, True),
        ("choice", "auto", "auto"),
        ("choice", False, False),
        ("peak", "measure", "measure"),
        ("name", "1e9", "1e9"),
        ("name", pathlib.Path("a", "b"), "a/b"),
        ("weights", {"books": 0.1, "web": 2}, {"books": 0.1, "web": 2.0}),
        ("steps", (1, 2e1, np.int64(3)), [1, 20, 3]),
        ("overrides", {"a": ("b", np.arange(2))}, {"a": ["b", [0, 1]]}),
    ],
)
def test_values_come_in_the_type_of_their_field(field, value, expected):
    part = Part(**{"name": "a"} | {field: value})
    received = getattr(part, field)
    assert received == expected
    assert type(received) is type(expected)


@pytest.mark.parametrize(
    "field, value, invariant",
    [
        ("count", 1.5, "a valid integer"),
        ("count", True, "a valid integer"),
        ("count", None, "a valid integer"),
        ("count", math.inf, "a valid integer"),
        ("count", "3", "a valid integer"),
        ("rows", 0, "greater than or equal to 1"),
        ("rate", "high", "a valid number"),
        ("rate", True, "a valid number"),
        ("share", -0.1, "greater than or equal to 0"),
        ("share", 1.1, "less than or equal to 1"),
        ("share", math.nan, "greater than or equal to 0"),
        ("bound", False, "a valid number"),
        ("bound", 0, "greater than 0"),
        ("flag", 1, "a valid boolean"),
        ("choice", 1, "a valid boolean or 'auto'"),
        ("peak", "1 PF", "a valid number or 'measure'"),
        ("peak", math.nan, "greater than 0 or 'measure'"),
        ("weights", [1], "a valid dictionary"),
        ("steps", 3, "a valid list"),
    ],
)
def test_another_value_raises_with_its_whole_path(field, value, invariant):
    message = (
        f"part.{field} must be {invariant}. Received: part.{field}={value!r}. "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}\\S") as caught:
        make_config(Whole, {"part": {"name": "a", field: value}})
    assert "\n" not in str(caught.value)
    own = message.replace("part.", "")
    with pytest.raises(ValueError, match=f"^{re.escape(own)}"):
        Part("a", **{field: value})


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"steps": [1, -1]},
            "steps[1] must be greater than or equal to 0. Received: "
            "steps[1]=-1. Change the config.",
        ),
        (
            {"weights": {"a": "b"}},
            "weights.a must be a valid number. Received: weights.a='b'. Change "
            "the config.",
        ),
        (
            {"weights": {3: 1}},
            "A key of weights must be a valid string. Received: 3. Change the "
            "config.",
        ),
        (
            {"rate": "high"},
            "rate must be a valid number. Received: rate='high'. Leave it out "
            "for the default, 0.5.",
        ),
        (
            {"name": "0123456789"},
            "name must have at most 9 letters. Received: name='0123456789'. "
            "Shorten it.",
        ),
        (
            {"count": 3, "rows": 2},
            "rows must divide count. Received: rows=2, count=3. Use a divisor.",
        ),
        (
            {"overrides": {"dropout": object}},
            "overrides must be of types that YAML can hold. Received: "
            "overrides={'dropout': <class 'object'>}. Pass numbers, strings, "
            "lists.",
        ),
    ],
)
def test_errors_name_the_item_and_the_remedy(values, message):
    with raises(message):
        Part(**{"name": "a"} | values)


def test_a_value_beyond_all_floats_is_no_float():
    with pytest.raises(ValueError, match="^rate must be a valid number."):
        Part("a", rate=10**400)


def test_a_config_is_sent_to_workers_as_it_is():
    whole = Whole(Part("a", steps=[1]), parts={"b": Part("b")})
    assert pickle.loads(pickle.dumps(whole)) == whole


# === Keys ===


def test_a_config_can_be_made_of_values_alone():
    values = {"part": {"name": "a", "count": 2}, "parts": {"b": {"name": "c"}}}
    expected = Whole(Part("a", count=2), parts={"b": Part("c")})
    assert make_config(Whole, values) == expected


def test_a_section_without_a_line_has_its_defaults():
    assert make_config(PartsOnly, {"part": None}) == PartsOnly()


@config_section
class Defaults:
    rate: Float = 0.5


@config_section
class PartsOnly:
    part: Section[Defaults] = Defaults()


@pytest.mark.parametrize(
    "values, received, names",
    [
        ({"part": {"shares": 2}}, "part.shares=2", "share"),
        ({"part": {"x": 2}}, "part.x=2", ", ".join(Part.__annotations__)),
        ({"part": {3: 2}}, "part.3=2", ", ".join(Part.__annotations__)),
        ({"parts": {"part": {"rowz": 2}}}, "parts.part.rowz=2", "rows"),
        ({"prat": {}}, "prat={}", "part, parts"),
    ],
)
def test_an_unknown_key_raises_with_the_nearest_known(values, received, names):
    message = (
        "A config must hold known keys only. Received: "
        f"{received}. Use one of {names}."
    )
    with raises(message):
        make_config(Whole, values)


@pytest.mark.parametrize(
    "values, missing", [({}, "part"), ({"part": {}}, "part.name")]
)
def test_a_key_that_is_missing_raises(values, missing):
    message = (
        f"A config must hold {missing}. Received: no such key. Add it, or "
        f"pass --set {missing}=..."
    )
    with raises(message):
        make_config(Whole, values)


@pytest.mark.parametrize(
    "values, name, received",
    [
        ([1], "A config", "config=[1]"),
        (False, "A config", "config=False"),
        ({"part": 3}, "part", "part=3"),
    ],
)
def test_a_section_without_keys_raises(values, name, received):
    message = (
        f"{name} must hold keys and values. Received: {received}. Write one "
        "`key: value` a line."
    )
    with raises(message):
        make_config(Whole, values)


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"part": {"name": 3}},
            "part.name must be a valid string. Received: line 7, part.name=3. "
            "Change the plan.",
        ),
        (
            {"part": {}},
            "A plan must hold part.name. Received: line 7, no such key. Add "
            "it.",
        ),
        (
            {"part": {"name": "a"}, "parts": {3: {"name": "b"}}},
            "A key of parts must be a valid string. Received: line 8, 3. "
            "Change the plan.",
        ),
        (
            {"part": {"name": "a"}, "prat": 1},
            "A plan must hold known keys only. Received: no line, prat=1. Use "
            "one of part, parts.",
        ),
        (
            None,
            "A plan must hold keys and values. Received: no line, plan=None. "
            "Write one `key: value` a line.",
        ),
    ],
)
def test_an_error_says_where_its_key_stands(values, message):
    lines = {"part": "line 7", "parts": "line 8"}
    with raises(message):
        make_config(
            Whole, values, "plan", lambda key=None: lines.get(key, "no line")
        )


@pytest.mark.parametrize(
    "values",
    [{"count": "x" * 10**6}, {"x" * 900: 1}, {"weights": {"x" * 900: "a"}}],
)
def test_what_is_long_is_cut_in_messages(values):
    with pytest.raises(ValueError) as raised:
        make_config(Part, {"name": "a"} | values)
    assert len(str(raised.value)) < 1000


def test_without_pydantic_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    message = (
        "A config must be checked by pydantic. Received: import of pydantic "
        "halted; None in sys.modules. Install it with pip install "
        "'keras-gpt3[pretrain]'."
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        runpy.run_path(config_model.__file__)
