import importlib
import inspect
import pathlib
import re

import pytest

import keras_gpt3
from tests.project import source_tree
from tests.project.docstring_shape import docstring
from tests.project.docstring_shape import docstring_faults
from tests.project.docstring_shape import documented_methods

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


# What the runtime may ask the planner for: estimates, the memory there is, and
# the mesh of a run whose config leaves it to the planner.
ESTIMATES = (
    "",
    ".available_memory",
    ".describe",
    ".memory",
    ".parameter_count",
    ".preflight",
    ".run_config",
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


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_lists_its_public_names_in_order(package):
    module = importlib.import_module(package)
    names = list(getattr(module, "__all__", ()))
    assert names == sorted(names)
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_public_names_are_documented(package, name):
    public = getattr(importlib.import_module(package), name)
    if name == "__version__":
        assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", public)
    else:
        faults = docstring_faults(public)
        if "\nExample:\n" not in docstring(public):
            faults.append("lacks Example")
        assert faults == []


@pytest.mark.parametrize(
    ("package", "name"),
    [
        (package, name)
        for package, name in PUBLIC
        if inspect.isclass(getattr(importlib.import_module(package), name))
    ],
)
def test_methods_of_public_classes_are_documented(package, name):
    public = getattr(importlib.import_module(package), name)
    faults = [
        f"{name}.{method.__name__} {fault}"
        for method in documented_methods(public, "keras_gpt3")
        for fault in docstring_faults(method)
    ]
    assert faults == []


def test_folders_of_several_modules_say_in_which_order_to_read_them():
    wrong = []
    for package in PACKAGES:
        folder = FOLDER.parent / package.replace(".", "/")
        summary, _, order = importlib.import_module(package).__doc__.partition(
            "Read `"
        )
        if not order and len(list(folder.glob("*.py"))) > 4:
            wrong.append(f"{package} says no order")
        order = f"`{order.partition('Example:')[0]}"
        wrong += [
            f"{package} has no {name}"
            for name in re.findall(r"`([a-z0-9_]+)(?:\.py)?`", order)
            if order != "`"
            and not (folder / name).is_dir()
            and not (folder / f"{name}.py").is_file()
        ]
    assert wrong == []
