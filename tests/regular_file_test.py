import os

import pytest

from keras_gpt3.regular_file import check_folder_files
from keras_gpt3.regular_file import check_regular_file


@pytest.mark.parametrize("link", [False, True])
def test_a_pipe_is_refused_and_not_waited_for(link, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    path = tmp_path / ("link" if link else "pipe")
    with pytest.raises(ValueError, match="regular one, not a device, .*Rec"):
        check_regular_file(path)
    with pytest.raises(ValueError, match=f"file='{path}'. Copy the file"):
        check_folder_files(tmp_path, [path.name])


def test_a_device_is_refused():
    with pytest.raises(ValueError, match="Received: file='/dev/zero'"):
        check_regular_file("/dev/zero")


def test_what_is_missing_or_a_folder_is_left_to_who_opens_it(tmp_path):
    check_regular_file(tmp_path)
    check_regular_file(tmp_path / "none")
    check_folder_files(tmp_path / "none", ["*.json"])


@pytest.mark.parametrize("target", ["{}/secret", "../secret", "/dev/zero"])
def test_a_link_out_of_the_folder_is_refused(target, tmp_path):
    (tmp_path / "secret").write_text("key")
    (tmp_path / "model/assets").mkdir(parents=True)
    (tmp_path / "model/a.json").symlink_to(target.format(tmp_path))
    (tmp_path / "model/assets/b").symlink_to("../../secret")
    for pattern in ("*.json", "assets/b"):
        with pytest.raises(ValueError, match="model's folder. .* a link to '"):
            check_folder_files(tmp_path / "model", [pattern])


def test_links_within_the_folder_and_to_it_pass(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a").touch()
    (tmp_path / "model/b").symlink_to("a")
    (tmp_path / "link").symlink_to("model")
    check_folder_files(tmp_path / "link", ["*"])


def test_the_links_of_the_hubs_cache_pass(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshots/1f").mkdir(parents=True)
    (tmp_path / "blobs/2a").touch()
    (tmp_path / "snapshots/1f/config.json").symlink_to("../../blobs/2a")
    check_folder_files(tmp_path / "snapshots/1f", ["*.json"])
