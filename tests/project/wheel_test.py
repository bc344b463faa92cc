"""The wheel holds the presets and finds them, away from the checkout."""

import configparser
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]

CHECK = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
import keras_gpt3
from keras_gpt3 import preset_loader
paths = preset_loader.vocabulary_paths()
hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
largest = preset_loader.load_shipped_preset("gpt3_175b_en")["backbone"]
print(json.dumps({
    "where": preset_loader.__file__,
    "text": keras_gpt3.GPT3.from_preset("gpt3_nano_en").generate("She was", 8),
    "presets": list(preset_loader.shipped_presets()),
    "layers": largest["num_layers"],
    "paths": [str(path) for path in paths],
    "vocabulary": [digest[:12] for digest in hashes],
}))
"""


@pytest.fixture(scope="module")
def wheel_folder(tmp_path_factory):
    """The unpacked wheel, built without any network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("keras_gpt3", "presets"):
        shutil.copytree(ROOT / name, source / name)
    for name in (
        "keras_gpt3_command.py",
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    ):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
        + ["--outdir", str(folder), str(source)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "unpacked")
    return folder / "unpacked"


def test_every_folder_with_modules_is_a_package_of_the_wheel():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = settings["options"]["packages"].split()
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "keras_gpt3").rglob("*.py")
    }
    assert sorted(listed) == sorted(found | {"keras_gpt3.presets"})


@pytest.mark.slow
def test_wheel_finds_presets_and_vocabulary_from_another_folder(
    wheel_folder, tmp_path
):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHECK, str(wheel_folder)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    report = json.loads(run.stdout.splitlines()[-1])
    assert pathlib.Path(report["where"]).is_relative_to(wheel_folder)
    assert report["text"].startswith("She was ")
    assert len(report["presets"]) == 8
    assert report["layers"] == 96
    for path in report["paths"]:
        assert pathlib.Path(path).is_relative_to(wheel_folder)
    # The hashes that tiktoken pins for GPT-2.
    assert report["vocabulary"] == ["196139668be6", "1ce1664773c5"]


@pytest.mark.slow
def test_wheel_holds_every_file_and_licence(wheel_folder):
    held = {
        p.relative_to(wheel_folder).as_posix() for p in wheel_folder.rglob("*")
    }
    data = {
        f"keras_gpt3/presets/{p.relative_to(ROOT / 'presets').as_posix()}"
        for p in (ROOT / "presets").rglob("*.*")
    }
    # Modules, and what they read: tasks, templates of reports, pages.
    files = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "keras_gpt3").rglob("*.*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert files | data <= held
    assert {"keras_gpt3/presets/LICENSE.gpt2", "keras_gpt3_command.py"} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_shipped_vocabulary_is_the_one_that_tiktoken_pins():
    digest = hashlib.sha256((ROOT / "presets/vocab.bpe").read_bytes())
    assert digest.hexdigest().startswith("1ce1664773c5")
