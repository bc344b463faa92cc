import re

import h5py
import pytest

from keras_gpt3.models.presets.preset_files import hdf5_arrays


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["b/c"], file["a"] = [1.0, 2.0], [3.0]
        yield file


def test_arrays_have_their_paths(file):
    assert [(k, len(v)) for k, v in hdf5_arrays(file).items()] == [
        ("a", 1),
        ("b/c", 2),
    ]


def link(file):
    file["b/d"] = h5py.SoftLink("/a")


def outer_link(file):
    file["b/d"] = h5py.ExternalLink("other.h5", "a")


def outer_bytes(file):
    file.create_dataset("b/d", (4,), "f4", external=[("secret", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((1,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (1,))
    file.create_virtual_dataset("b/d", layout)


def circle(file):
    file["b/d"] = file["b"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (link, "a link, b/d"),
        (outer_link, "a link, b/d"),
        (outer_bytes, "data of another file, b/d"),
        (virtual, "data of another file, b/d"),
        (circle, "a group within itself, b/d"),
    ],
)
def test_what_lies_elsewhere_is_refused(change, reason, file):
    change(file)
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        hdf5_arrays(file)
