import sys

import pytest

from keras_gpt3.evaluation.evaluation_extra import import_extra


def test_a_module_of_a_package_is_imported():
    assert import_extra("json.decoder", "").__name__ == "json.decoder"


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError) as caught:
        import_extra("yaml", "A task must be read with PyYAML")
    assert str(caught.value) == (
        "A task must be read with PyYAML. Received: import of yaml halted; "
        "None in sys.modules. Install it with pip install "
        "'keras-gpt3[evaluate]'."
    )
