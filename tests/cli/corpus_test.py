import json

import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from keras_gpt3.data import TokenShards
from tests.fixtures.corpus.excerpts import read_excerpts


def run(*arguments):
    return CliRunner().invoke(app, ["corpus", *map(str, arguments)])


@pytest.fixture
def config(tmp_path):
    lines = [json.dumps(row) + "\n" for row in read_excerpts("novels")[:4]]
    (tmp_path / "novels.jsonl").write_text("".join([*lines, lines[0]]))
    path = tmp_path / "corpus.yaml"
    path.write_text(
        f"folder: {tmp_path}/corpus\n"
        f"sources:\n  novels:\n    files: [{tmp_path}/novels.jsonl]\n"
    )
    return path


def test_a_build_tells_what_was_written_where(tmp_path, config):
    done = run("build", "--config", config, "--workers", 1)
    assert done.exit_code == 0, done.stderr
    *stages, shards, report, pretrain = done.stdout.splitlines()
    assert stages == [
        "read: 4 of 5 documents; dropped: 1 duplicate id",
        "dedup: 4 of 4 documents",
        "shard: 4 of 4 documents",
    ]
    folder = tmp_path / "corpus"
    num_tokens = TokenShards(folder / "5_shard" / "novels").num_tokens
    assert shards == (
        f"novels, train: {num_tokens:,} tokens in 4 documents written to "
        f"{folder}/5_shard/novels"
    )
    assert report == f"Report written to {folder}/report/corpus.html"
    assert pretrain.endswith(f"pretrain --config {folder}/pretrain.yaml")
    assert (folder / "report" / "corpus.html").exists()


def test_a_build_of_which_nothing_is_left_fails(tmp_path, config):
    (tmp_path / "novels.jsonl").write_text(3 * '{"text": " "}\n')
    done = run("build", "--config", config, "--workers", 1)
    assert done.exit_code == 1
    assert done.stderr == (
        "A corpus must keep documents to train on. Received: 0 of 3, of which "
        "read dropped 3. Add files, or relax that stage; the report says why "
        "each was dropped.\n"
    )
    assert "pretrain --config" not in done.stdout


def test_stages_run_one_by_one(tmp_path, config):
    options = ("--config", config, "--workers", 1)
    done = run("read", *options)
    assert done.exit_code == 0, done.stderr
    folder = tmp_path / "corpus"
    kept = "read: 4 of 5 documents; dropped: 1 duplicate id\n"
    assert done.stdout == f"{kept}Written to {folder}/1_read\n"
    assert run("dedup", *options).exit_code == 0
    done = run("report", "--config", config)
    report = f"Report written to {folder}/report/corpus.html\n"
    assert done.stdout == f"{kept}dedup: 4 of 4 documents\n{report}"
    # Nothing is filtered.
    done = run("filter", *options)
    assert done.exit_code == 2 and "has something to do" in done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["build", "--set", "seed=-1"], "seed must be an integer of at least"),
        (
            ["build", "--set", "sources.novels.files=[absent]"],
            "'absent', which",
        ),
        (
            ["build", "--set", "sources.novels.quality_filter=true"],
            "classifier",
        ),
        (["build", "--workers", 0], "workers must be at least 1. Received"),
        (["shard"], "must be the folder of a finished one. Received: folder="),
        (["report"], "must have a stage that is done. Received: folder="),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_code_2(config, command, message):
    name, *options = command
    done = run(name, "--config", config, *options)
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_another_run_in_the_folder_is_refused_unless_overwritten(config):
    options = ("read", "--config", config, "--workers", 1)
    assert run(*options).exit_code == 0
    options += ("--set", "read.min_characters=10000")
    done = run(*options)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "min_characters=1, not 10000" in done.stderr
    done = run(*options, "--overwrite")
    assert done.exit_code == 0 and "read: 0 of 5 documents" in done.stdout


def test_a_classifier_is_trained_and_its_auc_told(tmp_path):
    for name in ("novels", "manuals"):
        lines = (json.dumps(row) + "\n" for row in read_excerpts(name))
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    options = ["train-filter", "--out", tmp_path / "classifier"]
    for option, name in (("--good", "novels"), ("--bad", "manuals")):
        options += [option, tmp_path / f"{name}.jsonl"]
    done = run(*options)
    assert done.exit_code == 0, done.stderr
    before, _, auc = done.stdout.strip().rpartition(" ")
    assert before.startswith(f"Classifier written to {tmp_path}/classifier.")
    assert float(auc) > 0.9
    done = run(*options)
    assert done.exit_code == 2 and "must be empty or not exist" in done.stderr
