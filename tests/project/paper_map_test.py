"""docs/paper.md names only what exists."""

import importlib
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "paper.md").read_text("utf-8")
# What stands in backticks, outside of blocks of code.
SPANS = sorted(
    set(re.findall(r"`([^`\n]+)`", re.sub(r"(?s)```.*?```", "", PAGE)))
)
PATHS = [
    span
    for span in SPANS
    if re.fullmatch(r"[\w./-]+", span)
    and (ROOT / span.partition("/")[0]).is_dir()
]
NAMES = [span for span in SPANS if re.fullmatch(r"keras_gpt3(\.\w+)+", span)]
LINKS = re.findall(r"\[`([^`]+)`\]\[([^]]+)\]", PAGE)
COMMANDS = [span for span in SPANS if span.startswith("keras-gpt3 ")]


def resolve(name):
    """The object of a dotted name, whose modules need not be imported yet."""
    parts = name.split(".")
    found = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:i]))
        found = getattr(found, part)
    return found


def command_names(group):
    """Commands as they are typed, those of groups with their group's name."""
    for name, command in getattr(group, "commands", {}).items():
        yield name
        yield from (f"{name} {below}" for below in command_names(command))


def test_the_page_names_paths_objects_and_commands():
    # An expression that finds nothing would let everything pass.
    assert len(PATHS) > 30 and len(NAMES) > 15 and len(COMMANDS) > 8


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_the_page_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\]\(([\w/.-]+\.md)", PAGE)))
)
def test_a_page_that_is_linked_exists(path):
    assert (ROOT / "docs" / path).exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_page_resolves(name):
    assert resolve(name) is not None


@pytest.mark.parametrize(("text", "target"), LINKS)
def test_a_linked_name_is_public(text, target):
    module, _, name = target.rpartition(".")
    assert text == target
    assert name in importlib.import_module(module).__all__


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_exists(command):
    import typer.main

    from keras_gpt3.cli.main import app

    known = set(command_names(typer.main.get_command(app)))
    assert command.removeprefix("keras-gpt3 ") in known
