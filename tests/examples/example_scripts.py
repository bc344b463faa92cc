"""The scripts of a folder of examples, as they import each other."""

import contextlib
import importlib
import pathlib
import sys
import types

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@contextlib.contextmanager
def example_scripts(folder):
    """Imports them under their plain names; yields a namespace of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES / folder))
        names = [path.stem for path in (EXAMPLES / folder).glob("*.py")]
        modules = {name: importlib.import_module(name) for name in names}
        yield types.SimpleNamespace(**modules)
        for name in names:
            del sys.modules[name]
