"""Folders with tokenizer files: those of transformers, and changed ones."""

import json
import pathlib

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures" / "tokenizers"
# Written by tests/fixtures/make_tokenizer_texts.py.
NAMES = ("added_tokens", "opt", "specials_first")


def expected_texts(name):
    """Texts, and the ids that transformers gives them.

    Returns:
        A tuple of a list of str and a list of lists of int.
    """
    pairs = json.loads((FIXTURES / name / "texts.json").read_text("utf-8"))
    return tuple(map(list, zip(*pairs, strict=True)))


def read(name, file):
    """The content of a fixture's JSON file, to be changed at will."""
    return json.loads((FIXTURES / name / file).read_text("utf-8"))


def write(folder, **contents):
    """Writes files; `tokenizer_json={}` is `tokenizer.json`, a str is text."""
    for name, content in contents.items():
        stem, _, ending = name.rpartition("_")
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{stem}.{ending}").write_text(text, "utf-8")
    return folder


def changed(content, path, value):
    """Sets an entry deep in a dict, named as in `"model.dropout"`."""
    *outer, last = path.split(".")
    inner = content
    for name in outer:
        inner = inner[name]
    inner[last] = value
    return content
