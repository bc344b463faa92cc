"""What the examples' files say holds; nothing is trained here."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

import pytest
import typer
import yaml

from keras_gpt3.cli.main import app
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.training import PretrainingConfig
from keras_gpt3.training.config_file import read_config
from keras_gpt3.training.run_recipe import batch_multiple
from keras_gpt3.training.run_recipe import run_recipe

ROOT = pathlib.Path(__file__).parents[1]
PRETRAIN = ROOT / "examples" / "pretrain"
WORKERS = ROOT / "examples" / "multi_worker"
READMES = [PRETRAIN / "README.md", WORKERS / "README.md"]
CORPORA = ["speeches", "novels", "encyclopedia"]

STAND_INS = {
    # Notes what it was told, then does as a test wishes.
    "keras-gpt3": r"""
[[ -n ${UNTIL_TERM:-} ]] && trap 'exit 75' TERM
printf '%s|%s\n' "${TF_CONFIG:-}" "$*" >> "$RECORDS/keras-gpt3"
while [[ -n ${UNTIL_TERM:-} ]]; do sleep 0.02; done
exit "${CODE:-0}"
""",
    # Two tasks, to which it hands SIGTERM on; ends with the highest code.
    "srun": r"""
while [[ $1 == --* ]]; do shift; done
trap 'kill -TERM "${tasks[@]}"' TERM
for task in 0 1; do SLURM_PROCID=$task "$@" & tasks+=($!); done
wait
for task in "${tasks[@]}"; do
  wait "$task"
  codes+=($?)
done
exit $((codes[0] > codes[1] ? codes[0] : codes[1]))
""",
    "scontrol": r"""
if [[ "$1 $2" == "show hostnames" ]]; then
  [[ $3 == "node[7-8]" ]] && printf 'node7\nnode8\n'
else
  echo "$*" >> "$RECORDS/scontrol"
fi
""",
}


class StandIns:
    """Commands that note what they are told, first on the path."""

    def __init__(self, folder):
        self._records = folder
        for name, body in STAND_INS.items():
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/usr/bin/env bash\n{body}")
            path.chmod(0o755)

    def start(self, *command, **variables):
        path = f"{self._records / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "RECORDS": str(self._records)}
        return subprocess.Popen(command, cwd=ROOT, env=environment | variables)

    def run(self, *command, **variables):
        """The exit code of a command."""
        return self.start(*command, **variables).wait(timeout=20)

    def told(self, name):
        path = self._records / name
        return path.read_text().splitlines() if path.exists() else []

    def check_cluster(self, addresses, arguments):
        """Raises unless each of two workers was told so, and its index."""
        pairs = (line.split("|") for line in self.told("keras-gpt3"))
        found = [(json.loads(text), words) for text, words in pairs]
        found.sort(key=lambda pair: pair[0]["task"]["index"])
        tasks = [{"type": "worker", "index": index} for index in (0, 1)]
        workers = {"worker": addresses}
        assert found == [
            ({"cluster": workers, "task": task}, arguments) for task in tasks
        ]


@pytest.fixture
def stand_ins(tmp_path):
    return StandIns(tmp_path)


def check_arguments(words):
    """Raises unless the program takes these arguments."""
    name, *arguments = words
    command = typer.main.get_command(app).commands[name]
    command.make_context(name, arguments)


# === The run ===


def test_the_run_trains_on_what_is_prepared(stand_ins):
    assert stand_ins.run("bash", "examples/pretrain/prepare.sh") == 0
    told = [line.split("|")[1].split() for line in stand_ins.told("keras-gpt3")]
    written = {}
    for words, name in zip(told, CORPORA, strict=True):
        check_arguments(words)
        assert (ROOT / words[1]).is_file()
        assert words[1] == f"examples/data/{name}.jsonl.gz"
        written[name] = words[words.index("--out") + 1]
        assert words[-2:] == ["--validation-fraction", "0.05"]
    data = read_config(PretrainingConfig, PRETRAIN / "run.yaml").data
    for side, folders in (
        ("train", data.shards),
        ("validation", data.validation),
    ):
        assert folders == {n: f"{written[n]}/{side}" for n in CORPORA}
    assert list(data.weights) == CORPORA
    assert sum(data.weights.values()) == pytest.approx(1)


def test_the_run_s_recipe_holds_for_one_worker_and_for_two():
    config = read_config(PretrainingConfig, PRETRAIN / "run.yaml")
    length, rows = config.data.sequence_length, config.model.micro_batch_size
    recipe = run_recipe(config.recipe, config.model.preset, length)
    assert recipe.at(0).batch_tokens == config.recipe.start_batch_tokens
    last = recipe.at(recipe.num_steps - 1)
    assert last.batch_tokens == config.recipe.batch_tokens
    multiples = {batch_multiple(config.recipe, rows, n) for n in (1, 2)}
    assert multiples == {recipe.batch_multiple}
    known = load_shipped_preset(config.model.preset)["backbone"]
    assert set(config.model.overrides) <= set(known)


# === Kubernetes ===


@pytest.fixture(scope="module")
def manifests():
    text = (WORKERS / "kubernetes.yaml").read_text("utf-8")
    found = [document for document in yaml.safe_load_all(text) if document]
    assert len(found) == 3
    return {document["kind"]: document for document in found}


@pytest.fixture
def pod(manifests):
    return manifests["Job"]["spec"]["template"]["spec"]


@pytest.fixture
def container(pod):
    (container,) = pod["containers"]
    return container


@pytest.fixture
def variables(container):
    return {each["name"]: each["value"] for each in container["env"]}


def test_the_manifest_s_parts_name_each_other(
    manifests, pod, container, variables
):
    claim, service = manifests["PersistentVolumeClaim"], manifests["Service"]
    job = manifests["Job"]
    (port,) = service["spec"]["ports"]
    assert variables == {
        "NUM_WORKERS": str(job["spec"]["completions"]),
        "JOB": job["metadata"]["name"],
        "SERVICE": service["metadata"]["name"],
        "PORT": str(port["port"]),
    }
    assert pod["subdomain"] == service["metadata"]["name"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    (volume,), (mount,) = pod["volumes"], container["volumeMounts"]
    name = volume["persistentVolumeClaim"]["claimName"]
    assert name == claim["metadata"]["name"]
    assert mount["name"] == volume["name"]
    assert container["workingDir"] == mount["mountPath"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_lost_pod_comes_back_and_a_stopped_one_has_time(manifests, pod):
    assert manifests["Service"]["spec"]["clusterIP"] == "None"
    spec = manifests["Job"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["parallelism"] == spec["completions"] == 2
    # The Job replaces it; a policy of failures asks for this.
    assert pod["restartPolicy"] == "Never"
    wrong, stopped, evicted = spec["podFailurePolicy"]["rules"]
    assert wrong["action"] == "FailJob"
    assert wrong["onExitCodes"]["values"] == [2]
    assert stopped["action"] == evicted["action"] == "Ignore"
    assert stopped["onExitCodes"]["values"] == [75]
    assert evicted["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert pod["terminationGracePeriodSeconds"] >= 300


def test_pods_make_their_cluster_of_index_and_service(
    container, variables, stand_ins
):
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1}
    command = [*container["command"], *container["args"]]
    for index in "01":
        variables["JOB_COMPLETION_INDEX"] = index
        assert stand_ins.run(*command, **variables) == 0
    stand_ins.check_cluster(
        ["pretrain-0.pretrain:12345", "pretrain-1.pretrain:12345"],
        "pretrain --config run.yaml",
    )


# === Slurm ===


BATCH = ("bash", "examples/multi_worker/slurm.sbatch")
JOB = {"SLURM_JOB_ID": "1234567", "SLURM_JOB_NODELIST": "node[7-8]"}


def test_the_batch_script_parses_and_has_its_options_first():
    path = WORKERS / "slurm.sbatch"
    subprocess.run(["bash", "-n", path], check=True)
    lines = path.read_text("utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    end = next(i for i, line in enumerate(lines) if line[:1] not in ("#", ""))
    options = [s[8:] for s in lines if s.startswith("#SBATCH ")]
    assert options == [s[8:] for s in lines[:end] if s.startswith("#SBATCH ")]
    assert {
        "--nodes=2",
        "--ntasks-per-node=1",
        "--gpus-per-node=1",
        "--requeue",
        "--signal=B:TERM@300",
    } <= set(options)


def test_nodes_make_their_cluster_of_the_job_s_list(stand_ins):
    assert stand_ins.run(*BATCH, "my run.yaml", **JOB) == 0
    stand_ins.check_cluster(
        ["node7:24567", "node8:24567"], "pretrain --config my run.yaml"
    )


@pytest.mark.parametrize(
    "code, restarts, is_requeued",
    [
        (0, "0", False),
        (1, "0", False),
        (2, "0", False),
        (75, "0", True),
        (75, "999", True),
        (137, "19", True),
        (137, "20", False),
    ],
)
def test_a_job_that_can_go_on_is_queued_again(
    code, restarts, is_requeued, stand_ins
):
    variables = JOB | {"CODE": str(code), "SLURM_RESTART_COUNT": restarts}
    assert stand_ins.run(*BATCH, **variables) == code
    expected = ["requeue 1234567"] if is_requeued else []
    assert stand_ins.told("scontrol") == expected


def test_a_job_near_its_end_has_its_workers_save_and_queues_again(stand_ins):
    process = stand_ins.start(*BATCH, **JOB, UNTIL_TERM="1")
    while len(stand_ins.told("keras-gpt3")) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 75
    assert stand_ins.told("scontrol") == ["requeue 1234567"]


# === What the READMEs say ===


def shell_blocks(path):
    text = path.read_text("utf-8")
    return re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_a_readme_s_commands_and_links_name_what_exists(path):
    lines = "".join(shell_blocks(path)).splitlines()
    commands = [shlex.split(line) for line in lines]
    ours = [words for words in commands if words[0] == "keras-gpt3"]
    assert ours
    for words in ours:
        check_arguments([word for word in words[1:] if word != "&"])
    named = [w for words in commands for w in words if "examples/" in w]
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)]*)\)", path.read_text("utf-8"))
    assert named
    assert links
    files = [ROOT / name for name in named]
    files += [path.parent / link for link in links]
    assert [str(file) for file in files if not file.is_file()] == []


def test_the_readme_s_two_processes_are_one_cluster(stand_ins):
    (block,) = (b for b in shell_blocks(READMES[1]) if "TF_CONFIG" in b)
    assert stand_ins.run("bash", "-euc", block) == 0
    stand_ins.check_cluster(
        ["localhost:12345", "localhost:12346"],
        "pretrain --config examples/pretrain/run.yaml",
    )
