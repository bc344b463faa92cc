import ast
import pathlib
import re
import textwrap

import pytest

import keras_gpt3
from tests.project import source_tree

FOLDER = pathlib.Path(keras_gpt3.__file__).parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
# A block may be indented more than its docstring, in a list say.
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def python_blocks(tree):
    """Pairs of owner and code of every example in a module's docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED):
            text = ast.get_docstring(node) or ""
            for _, code in BLOCK.findall(text):
                yield getattr(node, "name", "module"), textwrap.dedent(code)


EXAMPLES = [
    pytest.param(code, id=f"{module or 'keras_gpt3'}-{owner}")
    for module, tree in source_tree.parse(FOLDER).items()
    for owner, code in python_blocks(tree)
]


README_BLOCKS = [
    code
    for _, code in BLOCK.findall(
        (FOLDER.parent / "README.md").read_text("utf-8")
    )
]


@pytest.mark.parametrize("code", EXAMPLES)
@pytest.mark.slow
def test_example_runs_by_itself(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("code", README_BLOCKS)
@pytest.mark.slow
def test_the_readme_s_blocks_run_as_printed(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README", "exec"), {"__name__": "README"})


def test_no_block_of_python_is_passed_over():
    first_line = re.compile(r"^ *```python$", re.MULTILINE)
    files = (path.read_text("utf-8") for path in FOLDER.rglob("*.py"))
    assert len(EXAMPLES) == sum(len(first_line.findall(f)) for f in files)


def test_examples_are_found_where_they_stand():
    tree = ast.parse(
        '"""Top.\n\n```python\na = 1\n```\n"""\n'
        "class Made:\n"
        "    def up(self):\n"
        '        """Example:\n\n          ```python\n          b = 2\n'
        '          ```\n        """\n'
    )
    assert list(python_blocks(tree)) == [
        ("module", "a = 1\n"),
        ("up", "b = 2\n"),
    ]
