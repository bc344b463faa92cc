import pytest

from keras_gpt3.needed_packages import needed_packages


def test_a_missing_package_is_named_with_its_need_and_its_extra():
    with pytest.raises(ImportError) as error:
        with needed_packages("A cake must have eggs", "kitchen"):
            import eggs  # noqa: F401
    assert str(error.value) == (
        "A cake must have eggs. Received: No module named 'eggs'. Install it "
        "with pip install 'keras-gpt3[kitchen]'."
    )
    assert isinstance(error.value.__cause__, ImportError)


def test_what_is_there_and_other_errors_pass():
    with needed_packages("A cake must have eggs", "kitchen"):
        import json
    assert json.loads("1") == 1
    with pytest.raises(ZeroDivisionError):
        with needed_packages("A cake must have eggs", "kitchen"):
            _ = 1 / 0
