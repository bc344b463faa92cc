import runpy

import pytest


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["keras_gpt3", "--version"])
    with pytest.raises(SystemExit) as exit:
        runpy.run_module("keras_gpt3", run_name="__main__")
    assert exit.value.code == 0
    assert capsys.readouterr().out.startswith("keras-gpt3 ")
