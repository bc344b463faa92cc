import inspect

import pytest

from tests.project import source_tree

GOOD = {
    "__init__.py": "from made_up.models import model",
    "version.py": "",
    "cli/main.py": "from made_up.models.model import Model",
    "models/__init__.py": "from made_up.models.model import Model",
    "models/model.py": "from made_up import version\nimport made_up.ops.add",
    "training/step.py": "import tensorflow",
    "ops/add.py": '"""On TensorFlow."""\ndef f():\n    import tensorflow',
    "layers/block.py": "import keras\nfrom made_up.ops.add import f",
    "layers/stack.py": "from made_up.layers import block",
}

FAULTS = {
    "wrong_arrows": {"ops/low.py": "from made_up.layers.block import x"},
    "import_cycles": {
        "layers/block.py": "def f():\n    from made_up.layers import stack"
    },
    "tensorflow_imports": {"models/a.py": "import tensorflow as tf"},
    "dumping_grounds": {"layers/utils.py": ""},
    "asserts": {"data/a.py": "def f(x):\n    assert x"},
    "relative_imports": {"layers/a.py": "from . import block"},
}

TENSORFLOW_AT_TOP = '''"""TensorFlow."""
try:
    import tensorflow.io as io
finally:
    pass
'''

MORE_FAULTS = [
    ("wrong_arrows", {"layers/low.py": "import made_up.models.model"}),
    ("wrong_arrows", {"ops/low.py": "import made_up"}),
    ("wrong_arrows", {"ops/low.py": "def f():\n    from made_up import cli"}),
    ("wrong_arrows", {"unknown/a.py": "from made_up.ops import add"}),
    (
        "import_cycles",
        {
            "training/a.py": "import made_up.planning.b",
            "planning/b.py": "",
            "planning/c.py": "import made_up.training.d",
            "training/d.py": "",
        },
    ),
    ("tensorflow_imports", {"ops/a.py": "def f():\n    import tensorflow"}),
    ("tensorflow_imports", {"ops/a.py": TENSORFLOW_AT_TOP}),
    (
        "tensorflow_imports",
        {"ops/a.py": '"""TensorFlow."""\nimport tensorflow_text'},
    ),
    ("dumping_grounds", {"common/a.py": ""}),
]


def check(name, folder, files):
    """Runs one of the checks on files written to a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    function = getattr(source_tree, name)
    arguments = inspect.signature(function).parameters
    return function(
        source_tree.parse(folder), *["made_up"][: len(arguments) - 1]
    )


@pytest.mark.parametrize("name", FAULTS)
def test_the_checks_find_nothing_in_a_good_tree(name, tmp_path):
    assert check(name, tmp_path, GOOD) == []


@pytest.mark.parametrize(("name", "bad"), [*FAULTS.items(), *MORE_FAULTS])
def test_the_checks_find_what_is_wrong(name, bad, tmp_path):
    assert check(name, tmp_path, GOOD | bad)
