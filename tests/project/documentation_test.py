import importlib
import inspect
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import typer

from keras_gpt3.cli.main import app

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
API_PAGES = sorted((DOCS / "api").glob("*.md"))
SHELL = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = typer.main.get_command(app).commands


def relative(page):
    return page.relative_to(DOCS).as_posix()


# === The API reference ===


@pytest.mark.parametrize("page", API_PAGES, ids=relative)
def test_a_page_of_the_reference_lists_what_its_module_exports(page):
    text = page.read_text("utf-8")
    name = re.match(r"# (\S+)", text)[1]
    module = importlib.import_module(name)
    public = {
        member
        for member in module.__all__
        if not inspect.ismodule(getattr(module, member))
    }
    # A module of the same name hides a function, which is named by its own.
    heading = r"::: [\w.]+\n    options:\n      heading: "
    own = set(
        re.findall(rf"^(?:{heading}|::: ){name}\.(\w+)$", text, re.MULTILINE)
    )
    elsewhere = set(re.findall(rf"`{name}\.(__version__|\w+)` is ", text))
    assert own | elsewhere == public
    assert not own & elsewhere


def test_every_package_that_exports_has_a_page():
    exporting = {
        path.parent.name
        for path in (ROOT / "keras_gpt3").rglob("__init__.py")
        if "__all__" in path.read_text("utf-8")
    }
    assert {page.stem for page in API_PAGES} == exporting


# === What pages name ===


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_files_that_a_page_names_exist(page):
    named = re.findall(
        r"`((?:keras_gpt3|tests|benchmarks|examples|presets)/[\w./]*)`",
        page.read_text("utf-8"),
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


def commands(page):
    """The command lines of the package in a page's shell blocks."""
    for language, block in SHELL.findall(page.read_text("utf-8")):
        if language not in ("", "bash"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("keras-gpt3 "):
                yield shlex.split(line, comments=True)[1:]


def unknown_options(words):
    """Options of a command line that the command does not have."""
    command, rest = COMMANDS[words[0]], words[1:]
    if hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    if command.context_settings.get("ignore_unknown_options"):
        # They are another program's.
        return set()
    known = {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
    given = {word.partition("=")[0] for word in rest if word.startswith("-")}
    return given - known


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem
)
def test_commands_that_a_page_shows_exist(page):
    for words in commands(page):
        assert unknown_options(words) == set(), words


def test_a_command_line_that_does_not_exist_is_found():
    assert unknown_options(["plan", "gpt3_small_en", "--memmory", "8GB"]) == {
        "--memmory"
    }


# === What the README shows ===


def readme_blocks(heading):
    """The blocks of code below a heading of the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [block for _, block in SHELL.findall(section)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.backend("tensorflow", reason="export and serve need it")
def test_a_reader_trains_serves_and_asks_as_the_readme_says(tmp_path):
    """All as it stands there, but for a port that is free."""
    (train,), (shell,) = readme_blocks("Train"), readme_blocks("Serve and ask")
    install, serve, curl = shell.split("\n", 2)
    assert install.startswith("pip install") and curl.startswith("curl ")
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    here = {"cwd": tmp_path, "env": os.environ | {"PATH": path}, "text": True}
    subprocess.run([sys.executable, "-c", train], check=True, **here)
    with subprocess.Popen(
        [*shlex.split(serve, comments=True), "--port", "0"],
        stdout=subprocess.PIPE,
        **here,
    ) as server:
        try:
            url = server.stdout.readline().split()[-1]
            asked = subprocess.run(
                ["bash", "-c", curl.replace("http://127.0.0.1:8501", url)],
                capture_output=True,
                check=True,
                **here,
            )
        finally:
            server.terminate()
    answer = json.loads(asked.stdout)["outputs"]["texts"][0]
    # It samples, after few steps of no seed: words of the corpus, in any order.
    corpus = set("the quick brown fox jumps over the lazy dog".split())
    assert corpus & set(re.findall(r"\w+", answer.lower())), answer
    assert server.returncode == 0


# === What the site shows ===


def test_every_page_stands_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("nav:")[2]
    shown = set(re.findall(r"[\w/]+\.(?:md|ipynb)", navigation))
    there = {relative(page) for page in PAGES}
    there |= {relative(page) for page in DOCS.rglob("*.ipynb")}
    assert shown == there
