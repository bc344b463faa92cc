"""What the examples' files say holds; nothing is trained here."""

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
from keras_gpt3.training.recipe.run_recipe import batch_multiple
from keras_gpt3.training.recipe.run_recipe import run_recipe
from tests.examples.stand_in_commands import ROOT
from tests.examples.stand_in_commands import StandIns

DATA = ROOT / "examples" / "data"
PRETRAIN = ROOT / "examples" / "pretrain"
WORKERS = ROOT / "examples" / "multi_worker"
HOSTS = ROOT / "examples" / "multi_host"
READMES = [each / "README.md" for each in (PRETRAIN, WORKERS, HOSTS)]
CORPORA = ["speeches", "novels", "encyclopedia"]


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
    multiples = {batch_multiple(config.recipe, recipe, rows, n) for n in (1, 2)}
    assert multiples == {recipe.batch_multiple}
    known = load_shipped_preset(config.model.preset)["backbone"]
    assert set(config.model.overrides) <= set(known)


# === Kubernetes ===


def manifests(folder):
    text = (folder / "kubernetes.yaml").read_text("utf-8")
    found = [document for document in yaml.safe_load_all(text) if document]
    assert len(found) == 3
    return {document["kind"]: document for document in found}


def pod_of(job):
    return job["spec"]["template"]["spec"]


def container_of(job):
    (container,) = pod_of(job)["containers"]
    return container


def environment_of(job):
    return {each["name"]: each["value"] for each in container_of(job)["env"]}


FOLDERS = pytest.mark.parametrize("folder", [WORKERS, HOSTS])


@FOLDERS
def test_the_manifest_s_parts_name_each_other(folder):
    found = manifests(folder)
    claim, service = found["PersistentVolumeClaim"], found["Service"]
    job = found["Job"]
    (port,) = service["spec"]["ports"]
    number = str(job["spec"]["completions"])
    of_all = {
        WORKERS: {"NUM_WORKERS": number},
        HOSTS: {
            "KERAS_BACKEND": "jax",
            "KERAS_DISTRIBUTION_NUM_PROCESSES": number,
        },
    }
    assert environment_of(job) == of_all[folder] | {
        "JOB": job["metadata"]["name"],
        "SERVICE": service["metadata"]["name"],
        "PORT": str(port["port"]),
    }
    assert pod_of(job)["subdomain"] == service["metadata"]["name"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    volumes = {each["name"]: each for each in pod_of(job)["volumes"]}
    mounts = {m["name"]: m for m in container_of(job)["volumeMounts"]}
    assert set(volumes) == set(mounts)
    name = volumes["shared"]["persistentVolumeClaim"]["claimName"]
    assert name == claim["metadata"]["name"]
    mount = mounts["shared"]["mountPath"]
    assert container_of(job)["workingDir"] == mount
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


@FOLDERS
def test_a_lost_pod_comes_back_and_a_stopped_one_has_time(folder):
    found = manifests(folder)
    assert found["Service"]["spec"]["clusterIP"] == "None"
    spec = found["Job"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["parallelism"] == spec["completions"]
    pod = pod_of(found["Job"])
    # The Job replaces it; a policy of failures asks for this.
    assert pod["restartPolicy"] == "Never"
    wrong, stopped, evicted = spec["podFailurePolicy"]["rules"]
    assert wrong["action"] == "FailJob"
    assert wrong["onExitCodes"]["values"] == [2]
    assert stopped["action"] == evicted["action"] == "Ignore"
    assert stopped["onExitCodes"]["values"] == [75]
    assert evicted["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert pod["terminationGracePeriodSeconds"] >= 300


def start_pods(folder, stand_ins, **variables):
    """Runs the commands of the first two pods."""
    job = manifests(folder)["Job"]
    container = container_of(job)
    command = [*container["command"], *container["args"]]
    for index in "01":
        environment = environment_of(job) | variables
        environment["JOB_COMPLETION_INDEX"] = index
        assert stand_ins.run(*command, **environment) == 0
    return container["resources"]["limits"]["nvidia.com/gpu"]


def test_pods_make_a_cluster_of_index_and_service(stand_ins):
    assert start_pods(WORKERS, stand_ins) == 1
    stand_ins.check_cluster(
        ["pretrain-0.pretrain:12345", "pretrain-1.pretrain:12345"],
        "pretrain --config run.yaml",
    )


def test_pods_are_processes_that_meet_at_the_first(stand_ins):
    number = {"KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    assert start_pods(HOSTS, stand_ins, **number) == 8
    stand_ins.check_processes(
        "pretrain-0.pretrain:12345", "pretrain --config run.yaml"
    )


# === Slurm ===


JOB = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_JOB_NODELIST": "node[7-8]",
    "SLURM_JOB_NUM_NODES": "2",
}
SCRIPTS = pytest.mark.parametrize(
    "script", [each / "slurm.sbatch" for each in (WORKERS, HOSTS)]
)


@SCRIPTS
def test_the_batch_script_parses_and_has_its_options_first(script):
    subprocess.run(["bash", "-n", script], check=True)
    lines = script.read_text("utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    end = next(i for i, line in enumerate(lines) if line[:1] not in ("#", ""))
    options = [s[8:] for s in lines if s.startswith("#SBATCH ")]
    assert options == [s[8:] for s in lines[:end] if s.startswith("#SBATCH ")]
    nodes, seconds = (2, 300) if script.is_relative_to(WORKERS) else (8, 600)
    wanted = f"--nodes={nodes} --requeue --signal=B:TERM@{seconds}"
    assert {*wanted.split(), "--ntasks-per-node=1"} <= set(options)


def test_nodes_make_their_cluster_of_the_job_s_list(stand_ins):
    script = WORKERS / "slurm.sbatch"
    assert stand_ins.run("bash", script, "my run.yaml", **JOB) == 0
    stand_ins.check_cluster(
        ["node7:24567", "node8:24567"], "pretrain --config my run.yaml"
    )


def test_nodes_are_processes_that_meet_at_the_first(stand_ins):
    script = HOSTS / "slurm.sbatch"
    assert stand_ins.run("bash", script, "my run.yaml", **JOB) == 0
    stand_ins.check_processes("node7:24567", "pretrain --config my run.yaml")


def requeued_after(script, code, restarts, stand_ins):
    """What a job whose workers end with a code queues again."""
    variables = JOB | {"CODE": str(code), "SLURM_RESTART_COUNT": str(restarts)}
    assert stand_ins.run("bash", script, **variables) == code
    return stand_ins.told("requeued")


@SCRIPTS
@pytest.mark.parametrize("code, restarts", [(75, 0), (75, 999), (137, 19)])
def test_a_job_that_can_go_on_is_queued_again(
    script, code, restarts, stand_ins
):
    assert requeued_after(script, code, restarts, stand_ins) == ["1234567"]


@SCRIPTS
@pytest.mark.parametrize("code, restarts", [(0, 0), (1, 0), (2, 0), (137, 20)])
def test_a_job_that_cannot_go_on_ends(script, code, restarts, stand_ins):
    assert requeued_after(script, code, restarts, stand_ins) == []


@SCRIPTS
def test_a_job_near_its_end_has_its_workers_save_and_queues_again(
    script, stand_ins
):
    process = stand_ins.start("bash", script, **JOB, UNTIL_TERM="1")
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


def test_the_readme_s_two_processes_share_a_mesh(stand_ins):
    blocks = shell_blocks(HOSTS / "README.md")
    (block,) = (b for b in blocks if "JOB_ADDRESSES" in b)
    assert stand_ins.run("bash", "-euc", block) == 0
    stand_ins.check_processes(
        "localhost:12345",
        "pretrain --config examples/pretrain/run.yaml --set "
        "devices.mesh={batch: 2, model: 2}",
    )
    mesh = ["devices.mesh={batch: 2, model: 2}"]
    config = read_config(PretrainingConfig, PRETRAIN / "run.yaml", mesh)
    length, rows = config.data.sequence_length, config.model.micro_batch_size
    recipe = run_recipe(config.recipe, config.model.preset, length)
    parts = config.devices.mesh["batch"]
    assert batch_multiple(config.recipe, recipe, rows, parts)
