import importlib
import inspect
import pathlib
import re

import pytest

import keras_gpt3
from tests import source_tree

FOLDER = pathlib.Path(keras_gpt3.__file__).parent
TREES = source_tree.parse(FOLDER)
PACKAGES = sorted(
    path.relative_to(FOLDER.parent).parent.as_posix().replace("/", ".")
    for path in FOLDER.rglob("__init__.py")
)


def test_imports_point_one_way_only():
    assert source_tree.wrong_arrows(TREES, "keras_gpt3") == []


def test_no_modules_import_each_other():
    assert source_tree.import_cycles(TREES, "keras_gpt3") == []


# What the runtime may ask the planner for: estimates, and the memory there is.
ESTIMATES = (
    "",
    ".available_memory",
    ".memory",
    ".parameter_count",
    ".preflight",
    ".training_job",
)
RUNTIME = (
    "ops",
    "layers",
    "parallel",
    "generation",
    "export",
    "training",
    "models",
)


def test_the_runtime_takes_no_rule_from_the_planner():
    taken = [
        (name, target)
        for name, targets in source_tree.imports(TREES, "keras_gpt3").items()
        if source_tree.unit(name) in RUNTIME
        for target in targets
        if source_tree.unit(target) == "planning"
        and target.removeprefix("planning") not in ESTIMATES
    ]
    assert taken == []


def test_only_modules_that_say_so_import_tensorflow():
    assert source_tree.tensorflow_imports(TREES) == []


def test_no_module_is_a_dumping_ground():
    assert source_tree.dumping_grounds(TREES) == []


def test_nothing_is_asserted():
    assert source_tree.asserts(TREES) == []


def test_imports_are_absolute():
    assert source_tree.relative_imports(TREES) == []


def test_every_module_is_tested():
    """By a test that imports it or an exported name of it, or has its name."""
    folder = FOLDER.parent / "tests"
    files = list(folder.rglob("*.py"))
    tests = "\n".join(file.read_text("utf-8") for file in files)
    named = set(re.findall(r"keras_gpt3(?:\.\w+)+", tests))
    for package, names in re.findall(
        r"^ *from (keras_gpt3[\w.]*) import (\w+)", tests, re.MULTILINE
    ):
        named.add(f"{package}.{names}")
    for package, name in PUBLIC:
        if f"{package}.{name}" in named:
            public = getattr(importlib.import_module(package), name)
            named.add(getattr(public, "__module__", None))
    untested = [
        name
        for name in TREES
        if name
        and f"keras_gpt3.{name}" not in named | set(PACKAGES)
        and f"{name.rpartition('.')[2]}_test.py" not in {f.name for f in files}
    ]
    assert untested == []


# === What is public ===


# Pairs of package and name of every public class and function.
PUBLIC = [
    (package, name)
    for package in PACKAGES
    for module in [importlib.import_module(package)]
    for name in getattr(module, "__all__", ())
    if not inspect.ismodule(getattr(module, name))
]


def takes_arguments(public):
    parameters = inspect.signature(public).parameters.values()
    return any(
        p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters
    )


def docstring_faults(public):
    """What a public class or function's own docstring lacks."""
    text = inspect.cleandoc(vars(public).get("__doc__") or public.__doc__ or "")
    faults = []
    if not re.match(r"\S.*[.?!:]\n", text + "\n"):
        faults.append("a summary")
    if takes_arguments(public) and "\nArgs:\n" not in text:
        faults.append("Args")
    if not re.search(r"\nExamples?:\n\n?```python\n", text):
        faults.append("an Example")
    return faults


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_lists_its_public_names_in_order(package):
    module = importlib.import_module(package)
    names = list(getattr(module, "__all__", ()))
    assert names == sorted(names)
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_public_names_are_documented_with_arguments_and_example(package, name):
    public = getattr(importlib.import_module(package), name)
    if name == "__version__":
        assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", public)
    else:
        assert docstring_faults(public) == []


# === The check itself ===


def documented(x):
    """Returns its argument.

    Args:
        x: int. The argument.

    Example:

    ```python
    documented(1)
    ```
    """
    return x


def with_arguments_unsaid(x):
    """Returns its argument.

    Example:

    ```python
    with_arguments_unsaid(1)
    ```
    """
    return x


def with_no_example():
    """Does nothing."""


def with_no_docstring():
    pass


def test_the_check_of_docstrings_finds_what_they_lack():
    assert docstring_faults(documented) == []
    assert docstring_faults(with_arguments_unsaid) == ["Args"]
    assert docstring_faults(with_no_example) == ["an Example"]
    assert docstring_faults(with_no_docstring) == ["a summary", "an Example"]
