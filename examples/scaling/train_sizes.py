"""Trains several sizes and fits their losses: Figure 3.1, with your own data.

    python examples/scaling/train_sizes.py

Seven sizes from 14 thousand to 10 million parameters without embeddings, the
smaller ones with two or three seeds, on the sample corpora. `--sweep quick` is
three sizes in minutes; `--sweep gpu` is GPT-3 Small to Extra Large, on files
that `--corpora` names. How long a size is trained and at which rate are rules
of `sizes.py`.

Each run is `keras-gpt3 pretrain` on a config that is written first. Started
again, the command goes on where it stopped. At the end `keras-gpt3 scaling`
fits loss over compute and over parameters, and draws both.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import yaml
from sizes import SWEEPS

import keras_gpt3
from keras_gpt3.data.documents import corpus_files
from keras_gpt3.data.write_token_shards import write_split_shards

DATA = pathlib.Path(__file__).parents[1] / "data"
CORPORA = [
    DATA / f"{n}.jsonl.gz" for n in ("speeches", "novels", "encyclopedia")
]


def main():
    """Runs the whole sweep."""
    arguments = parse_arguments()
    sweep, out = SWEEPS[arguments.sweep], arguments.out
    started = time.time()
    out.mkdir(parents=True, exist_ok=True)
    shards = prepare(sweep, arguments.corpora, out)
    runs = [
        run_config(sweep, size, seed, shards, out / f"{size.name}_{seed}")
        for size in sweep.sizes
        for seed in range(size.seeds)
    ]
    for number, config in enumerate(runs, start=1):
        print(
            f"\n=== Run {number} of {len(runs)}: {config['folder']}, "
            f"{config['recipe']['total_tokens']:,} tokens",
            flush=True,
        )
        train(config)
    folders = [config["folder"] for config in runs]
    keras_gpt3_command(
        "scaling", *folders, "--no-embeddings", "--out", out / "law"
    )
    minutes = (time.time() - started) / 60
    print(f"{len(runs)} runs. {minutes:.0f} minutes since the last start.")


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", choices=SWEEPS, default="cpu")
    parser.add_argument(
        "--quick", action="store_const", dest="sweep", const="quick"
    )
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument(
        "--corpora", nargs="+", type=pathlib.Path, default=CORPORA
    )
    arguments = parser.parse_args()
    if arguments.out is None:
        arguments.out = pathlib.Path("runs/scaling") / arguments.sweep
    return arguments


def prepare(sweep, corpora, out):
    """Tokenizes the corpora, each into its folder, unless that was done."""
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    tokenizer = tokenizer.with_first_merges(sweep.num_merges)
    folders = {}
    for path in corpora:
        name = path.name.partition(".")[0]
        folders[name] = out / "shards" / name
        if not folders[name].exists():
            files = corpus_files([path])
            write_split_shards(files, folders[name], tokenizer, 0.05)
    return folders


def run_config(sweep, size, seed, shards, folder):
    """The config of one run, as `keras-gpt3 pretrain` reads it."""
    tokens = sweep.tokens(size)
    num_steps = tokens / sweep.batch_tokens
    return {
        "folder": str(folder),
        "seed": seed,
        "model": {
            "preset": size.preset,
            "overrides": sweep.overrides(size),
            # The vocabulary is not the preset's.
            "preprocessor": False,
            "dtype": sweep.dtype,
            "micro_batch_size": sweep.micro_batch_size,
        },
        "data": {
            "sequence_length": sweep.sequence_length,
            "shards": {n: str(path / "train") for n, path in shards.items()},
            "validation": {
                n: str(path / "validation") for n, path in shards.items()
            },
        },
        "recipe": {
            "total_tokens": round(tokens),
            "batch_tokens": sweep.batch_tokens,
            "ramp_tokens": 0,
            "learning_rate": sweep.learning_rate(size),
            "warmup_tokens": round(0.05 * tokens),
        },
        "checkpoints": {"every_steps": 500, "keep_last": 1, "keep_best": False},
        # Often enough for a curve.
        "validation": {
            "every_steps": max(1, round(num_steps / 12)),
            "batch_size": 16,
            "max_batches": 8,
        },
        "log": {"every_steps": 50},
    }


def train(config):
    """Trains a run to its end, or goes on with one that stopped."""
    file = pathlib.Path(config["folder"]).with_suffix(".yaml")
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    keras_gpt3_command("pretrain", "--config", file)


def keras_gpt3_command(*arguments):
    """Runs a command of the package; ends with its exit code if it fails."""
    command = [sys.executable, "-m", "keras_gpt3", *map(str, arguments)]
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
