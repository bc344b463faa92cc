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
from keras_gpt3.config_file import read_config
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.training import PretrainingConfig
from keras_gpt3.training.run.pretrain import batch_multiple
from keras_gpt3.training.run.pretrain import run_recipe

ROOT = pathlib.Path(__file__).parents[2]
DATA = ROOT / "examples" / "data"
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
trap 'kill -TERM $(jobs -p)' TERM
for task in 0 1; do SLURM_PROCID=$task "$@" & tasks+=($!); done
for task in "${tasks[@]}"; do
  wait "$task"; code=$?
  # The signal has interrupted it.
  ((code == 143)) && { wait "$task"; code=$?; }
  codes+=("$code")
done
exit $((codes[0] > codes[1] ? codes[0] : codes[1]))
""",
    "scontrol": r"""
[[ $* == "show hostnames node[7-8]" ]] && printf 'node7\nnode8\n'
[[ $1 == requeue ]] && echo "$2" >> "$RECORDS/requeued"
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
        told = sorted(self.told("keras-gpt3"))
        assert len(told) == 2
        for index, (text, words) in enumerate(t.split("|") for t in told):
            task = {"type": "worker", "index": index}
            cluster = {"worker": addresses}
            assert json.loads(text) == {"cluster": cluster, "task": task}
            assert words == arguments


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
    for line, name in zip(stand_ins.told("keras-gpt3"), CORPORA, strict=True):
        words = line.removeprefix("|").split()
        check_arguments(words)
        corpus, *options = words[1:]
        assert (ROOT / corpus).samefile(DATA / f"{name}.jsonl.gz")
        share = ["--validation-fraction", "0.05"]
        assert options == ["--out", f"runs/shards/{name}", *share]
    data = read_config(PretrainingConfig, PRETRAIN / "run.yaml").data
    assert data.shards == {n: f"runs/shards/{n}/train" for n in CORPORA}
    held_out = {n: f"runs/shards/{n}/validation" for n in CORPORA}
    assert data.validation == held_out
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
def env(container):
    return {each["name"]: each["value"] for each in container["env"]}


def test_the_manifest_s_parts_name_each_other(manifests, pod, container, env):
    claim, service = manifests["PersistentVolumeClaim"], manifests["Service"]
    job = manifests["Job"]
    (port,) = service["spec"]["ports"]
    assert env == {
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


def test_pods_make_a_cluster_of_index_and_service(container, env, stand_ins):
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1}
    command = [*container["command"], *container["args"]]
    for index in "01":
        env["JOB_COMPLETION_INDEX"] = index
        assert stand_ins.run(*command, **env) == 0
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
    wanted = "--nodes=2 --ntasks-per-node=1 --requeue --signal=B:TERM@300"
    assert set(wanted.split()) <= set(options)


def test_nodes_make_their_cluster_of_the_job_s_list(stand_ins):
    assert stand_ins.run(*BATCH, "my run.yaml", **JOB) == 0
    stand_ins.check_cluster(
        ["node7:24567", "node8:24567"], "pretrain --config my run.yaml"
    )


def requeued_after(code, restarts, stand_ins):
    """What a job whose workers end with a code queues again."""
    variables = JOB | {"CODE": str(code), "SLURM_RESTART_COUNT": str(restarts)}
    assert stand_ins.run(*BATCH, **variables) == code
    return stand_ins.told("requeued")


@pytest.mark.parametrize("code, restarts", [(75, 0), (75, 999), (137, 19)])
def test_a_job_that_can_go_on_is_queued_again(code, restarts, stand_ins):
    assert requeued_after(code, restarts, stand_ins) == ["1234567"]


@pytest.mark.parametrize("code, restarts", [(0, 0), (1, 0), (2, 0), (137, 20)])
def test_a_job_that_cannot_go_on_ends(code, restarts, stand_ins):
    assert requeued_after(code, restarts, stand_ins) == []


def test_a_job_near_its_end_has_its_workers_save_and_queues_again(stand_ins):
    process = stand_ins.start(*BATCH, **JOB, UNTIL_TERM="1")
    while len(stand_ins.told("keras-gpt3")) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 75
    assert stand_ins.told("requeued") == ["1234567"]


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
    links = re.findall(r"\[[^\]]*\]\(([^)]*)\)", path.read_text("utf-8"))
    assert named and links
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
