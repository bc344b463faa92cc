import pytest

from keras_gpt3.planning import container_memory

V1_UNLIMITED = 9223372036854771712


def write_group(folder, limit, usage, cache=0, version=2):
    folder.mkdir(parents=True, exist_ok=True)
    if version == 2:
        names = ("memory.max", "memory.current", "inactive_file")
    else:
        names = (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        )
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n")


@pytest.fixture
def find(tmp_path):
    """Runs `container_memory` in a process with the given membership."""

    def run(membership):
        file = tmp_path / "membership"
        file.write_text(membership)
        return container_memory(str(tmp_path / "mount"), str(file))

    return run


def test_free_memory_is_limit_less_usage_with_the_file_cache_free(
    tmp_path, find
):
    write_group(tmp_path / "mount", limit=1000, usage=700, cache=200)
    assert find("0::/\n") == 500


def test_version_one_is_read_below_its_controller(tmp_path, find):
    group = tmp_path / "mount" / "memory" / "docker" / "x"
    write_group(group, limit=1000, usage=700, cache=200, version=1)
    assert find("5:cpu,cpuacct:/\n4:memory:/docker/x\n0::/\n") == 500


def test_the_tightest_group_above_the_process_counts(tmp_path, find):
    mount = tmp_path / "mount"
    write_group(mount / "outer", limit=300, usage=100)
    write_group(mount / "outer" / "inner", limit=1000, usage=100)
    assert find("0::/outer/inner\n") == 200


def test_groups_of_other_processes_do_not_count(tmp_path, find):
    write_group(tmp_path / "mount" / "other", limit=300, usage=100)
    assert find("0::/mine\n") is None


def test_a_group_that_is_not_mounted_falls_back_to_the_mount(tmp_path, find):
    write_group(tmp_path / "mount", limit=1000, usage=400)
    assert find("0::/as/seen/from/the/host\n") == 600


def test_no_limit_is_none(tmp_path, find):
    write_group(tmp_path / "mount", limit="max", usage=400)
    assert find("0::/\n") is None


def test_the_unlimited_number_of_version_one_is_beyond_any_machine(
    tmp_path, find
):
    group = tmp_path / "mount" / "memory"
    write_group(group, limit=V1_UNLIMITED, usage=400, version=1)
    assert find("4:memory:/\n") > 2**60


def test_usage_beyond_the_limit_leaves_nothing(tmp_path, find):
    write_group(tmp_path / "mount", limit=1000, usage=1200)
    assert find("0::/\n") == 0


def test_a_machine_without_control_groups_has_no_limit(tmp_path):
    assert container_memory(str(tmp_path), str(tmp_path / "none")) is None
