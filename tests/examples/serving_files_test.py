"""What runs TensorFlow Serving, and what the README of the example says.

Neither Docker nor the server is run: the flags are those of its source, and
the health check is run against a server of the test's own.
"""

import dataclasses
import json
import pathlib
import re
import shlex
import socket
import subprocess

import pytest
import yaml

from keras_gpt3.export.serving_bundle import write_serving_bundle
from keras_gpt3.export.serving_files import BatchingParameters
from keras_gpt3.preset_loader import load_shipped_preset
from tests.examples.serving_scripts import SERVING
from tests.examples.serving_scripts import canned_handler
from tests.examples.serving_scripts import serving_scripts
from tests.examples.stand_in_model_server import serving

ROOT = SERVING.parents[1]
BATCHING = BatchingParameters.for_model(
    load_shipped_preset("gpt3_small_en")["backbone"], "float32", 500_841_216
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files beside the versions of GPT-3 Small."""
    folder = tmp_path_factory.mktemp("gpt3")
    write_serving_bundle(folder, BATCHING)
    return folder


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        # Bound, but nothing listens there.
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# === The server's files ===

# Of those that tensorflow_serving/model_servers/main.cc has in 2.20.0.
KNOWN_FLAGS = {
    "port",
    "rest_api_port",
    "rest_api_num_threads",
    "rest_api_timeout_in_ms",
    "enable_batching",
    "batching_parameters_file",
    "enable_per_model_batching_parameters",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "file_system_poll_wait_seconds",
    "tensorflow_session_parallelism",
    "monitoring_config_file",
    "num_load_threads",
    "enable_model_warmup",
}


def compose():
    text = (SERVING / "docker-compose.yml").read_text("utf-8")
    return yaml.safe_load(text)["services"]


def serving_command():
    return dict(
        word.removeprefix("--").split("=", 1)
        for word in compose()["serving"]["command"]
    )


def test_the_server_is_told_what_it_knows():
    service, command = compose()["serving"], serving_command()
    assert len(command) == len(service["command"])
    assert set(command) <= KNOWN_FLAGS
    assert command["enable_batching"] == "true"
    # Both images are of one version each.
    for each in compose().values():
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", each["image"])
        assert set(each["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    named = {
        f"127.0.0.1:{command[k]}:{command[k]}"
        for k in ("port", "rest_api_port")
    }
    assert set(service["ports"]) == named


def test_the_server_finds_the_export_where_it_is_mounted(folder):
    (volume,) = compose()["serving"]["volumes"]
    assert volume["source"] == "../../runs/serving/gpt3"
    assert volume["read_only"]
    for name, path in serving_command().items():
        if path.endswith(".config"):
            inside = pathlib.PurePath(path).relative_to(volume["target"])
            assert (folder / inside).is_file(), name
    models = (folder / "models.config").read_text()
    assert f'base_path: "{volume["target"]}"' in models


def test_a_request_s_thread_waits_for_its_batch():
    # Else the server could not fill two of its largest batches.
    threads = int(serving_command()["rest_api_num_threads"])
    assert threads >= 2 * BATCHING.max_batch_size


@pytest.mark.parametrize(
    "state, code", [("AVAILABLE", 0), ("LOADING", 1), ("UNAVAILABLE", 1)]
)
def test_the_health_check_waits_for_the_model(state, code):
    handler = canned_handler(json.dumps({"state": state}).encode())
    kind, *command = compose()["serving"]["healthcheck"]["test"]
    assert kind == "CMD"
    with serving(handler) as url:
        port = url.rpartition(":")[2]
        command[-1] = command[-1].replace("/8501", f"/{port}")
        done = subprocess.run(command, timeout=20)
    assert done.returncode == code


def test_no_server_is_not_healthy(closed_port):
    command = compose()["serving"]["healthcheck"]["test"][1:]
    command[-1] = command[-1].replace("/8501", f"/{closed_port}")
    done = subprocess.run(command, timeout=20, capture_output=True)
    assert done.returncode != 0


def test_prometheus_reads_what_the_server_shows(folder):
    text = (SERVING / "prometheus.yml").read_text("utf-8")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    (target,) = job["static_configs"]
    port = serving_command()["rest_api_port"]
    assert target["targets"] == [f"serving:{port}"]
    monitoring = folder / "monitoring.config"
    assert f'path: "{job["metrics_path"]}"' in monitoring.read_text()
    mounted = [
        volume["source"] for volume in compose()["prometheus"]["volumes"]
    ]
    assert "./prometheus.yml" in mounted


# === What the README says ===


def readme_commands():
    text = (SERVING / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    # Quotes may go on in the next line.
    lines = re.sub(r"\\\n|\n  ", " ", "".join(blocks)).splitlines()
    return [shlex.split(line) for line in lines]


def test_the_readme_s_commands_are_taken():
    found = set()
    with serving_scripts() as scripts:
        parsers = {
            "export_model": scripts.export_model._parser(),
            "measure": scripts.measure._parser(),
            "rest_client": scripts.client_command._parser("", ""),
            "grpc_client": scripts.client_command._parser("", ""),
        }
        for words in readme_commands():
            if words[:1] == ["python"]:
                path = ROOT / words[1]
                assert path.is_file()
                parsers[path.stem].parse_args(words[2:])
                found.add(path.stem)
    assert found == set(parsers)


def test_the_readme_tells_the_export_s_own_parameters():
    text = (SERVING / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", text, re.MULTILINE))
    told = {name: value.replace(",", "") for name, value in rows.items()}
    sizes = told.pop("allowed_batch_sizes").split()
    assert tuple(map(int, sizes)) == BATCHING.allowed_batch_sizes
    lines = BATCHING.as_text().splitlines()
    assert (
        f"pad_variable_length_inputs: {told.pop('pad_variable_length_inputs')}"
        in lines
    )
    assert told == {k: str(v) for k, v in dataclasses.asdict(BATCHING).items()}


def test_the_readme_s_links_lead_somewhere():
    text = (SERVING / "README.md").read_text("utf-8")
    links = re.findall(r"\[[^\]]*\]\((?!https?:)([^)]*)\)", text)
    assert links
    assert [link for link in links if not (SERVING / link).is_file()] == []
