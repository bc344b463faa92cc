"""How far the adapter for lm-evaluation-harness is from the harness' own.

    python benchmarks/harness_agreement.py

Runs local tasks of tests/fixtures/harness (multiple choice, generation, rolling
log-likelihood, from no to many demonstrations) on small random GPT-2, GPT-Neo
and OPT models, once through the harness' own model for transformers and once
through `keras-gpt3`. Prints one JSON object a model and task: the requests, the
largest absolute and relative difference of log-likelihoods, and how many greedy
flags and answers differ. "likely_answers" are the answers of transformers'
model scored as continuations: those that are encoded again as they were decoded
are greedy. The harness adds up in float32, so that its sums of some thousand
nats ("keras_gpt3_texts") are rounded by more than 1e-4. Needs torch,
transformers, accelerate and lm-eval; takes three minutes.
"""

import argparse
import json
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["HF_HUB_OFFLINE"] = "1"

from harness.progress import log
from harness.versions import versions

FIXTURES = pathlib.Path(__file__).parents[1] / "tests" / "fixtures"
TASKS = {
    "keras_gpt3_choices": (0, 2, 8),
    "keras_gpt3_answers": (0, 3, 6),
    "keras_gpt3_texts": (0,),
}
# Far from ties, and answers that differ from each other.
DEVIATION = 0.2
CONTEXT, WIDTH, LAYERS, HEADS = 256, 64, 3, 4
SIZES = {
    "gpt2": {
        "n_positions": CONTEXT,
        "n_embd": WIDTH,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "initializer_range": DEVIATION,
    },
    "gpt_neo": {
        "max_position_embeddings": CONTEXT,
        "hidden_size": WIDTH,
        "num_layers": 4,
        "num_heads": HEADS,
        "attention_types": [[["global", "local"], 2]],
        "window_size": 32,
        "initializer_range": DEVIATION,
    },
    "opt": {
        "max_position_embeddings": CONTEXT,
        "hidden_size": WIDTH,
        "word_embed_proj_dim": WIDTH,
        "ffn_dim": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "init_std": DEVIATION,
    },
}


def main():
    """Compares all models and tasks; prints one line for each pair."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # Read when `datasets` is imported.
        os.environ["HF_DATASETS_CACHE"] = str(folder / "datasets")
        tasks = write_tasks(folder)
        for name in arguments.models:
            log(f"{name}: a random checkpoint")
            sides = load(write_checkpoint(name, folder / name))
            for row in measure(sides, tasks):
                row = {"benchmark": "harness_agreement", "model": name} | row
                print(json.dumps(row | found_versions()), flush=True)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(SIZES))
    return parser.parse_args()


def found_versions():
    """What was compared."""
    names = ("keras-gpt3", "lm-eval", "tensorflow", "torch", "transformers")
    return {"versions": versions(*names)}


def write_tasks(folder):
    """The tasks' files, with the place of their records."""
    source = FIXTURES / "harness"
    for path in source.glob("*.yaml"):
        text = path.read_text("utf-8").replace("FOLDER", str(source))
        (folder / path.name).write_text(text, "utf-8")
    return folder


def write_checkpoint(name, folder):
    """A random model of transformers with a tokenizer, as a folder."""
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer = write_tokenizer(name, folder)
    config = transformers.AutoConfig.for_model(
        name,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **SIZES[name],
    )
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        # Biases too, which start from zero.
        if parameter.ndim == 1:
            parameter.data += DEVIATION * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    return str(folder)


def write_tokenizer(name, folder):
    """GPT-2's own, or a small one with OPT's start token."""
    import transformers

    import keras_gpt3

    folder.mkdir()
    if name == "opt":
        source = FIXTURES / "tokenizers" / "opt"
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        tokenizer.save_pretrained(folder)
        return tokenizer
    ours = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    ours.export_to_transformers(str(folder))
    return transformers.GPT2Tokenizer.from_pretrained(folder)


def load(checkpoint):
    """The harness' own model and ours."""
    from lm_eval.models.huggingface import HFLM

    from keras_gpt3.evaluation.harness.harness_model import HarnessModel

    theirs = HFLM(checkpoint, device="cpu", dtype="float32", batch_size=4)
    return theirs, HarnessModel(checkpoint, batch_size=4)


def measure(sides, tasks):
    """Yields a dict of figures for each task and number of demonstrations."""
    for task, shots in TASKS.items():
        for num_fewshot in shots:
            log(f"{task}, {num_fewshot} demonstrations")
            row = {"task": task, "num_fewshot": num_fewshot}
            samples = [run(side, tasks, task, num_fewshot) for side in sides]
            yield row | compare(*map(responses, samples))
            if task == "keras_gpt3_answers":
                found = [
                    side.loglikelihood(likely(samples[0])) for side in sides
                ]
                yield row | {"task": "likely_answers"} | compare(*found)


def run(side, tasks, task, num_fewshot):
    """What the harness notes of each document."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model=side,
        tasks=[task],
        num_fewshot=num_fewshot,
        task_manager=manager,
        bootstrap_iters=0,
    )
    return sorted(found["samples"][task], key=lambda sample: sample["doc_id"])


def responses(samples):
    """One response a request."""
    return [row[0] for sample in samples for row in sample["resps"]]


def likely(samples):
    """Requests for the likelihood of a model's own answers and their parts."""
    from lm_eval.api.instance import Instance

    pairs = [
        (
            sample["arguments"][0][0],
            sample["resps"][0][0][:end],
        )
        for sample in samples
        for end in (2, 4, 8, None)
    ]
    return [Instance("loglikelihood", {}, pair, 0) for pair in pairs if pair[1]]


def compare(theirs, ours):
    """How many requests there are, and how they differ."""
    row = {"requests": len(theirs)}
    if isinstance(theirs[0], str):
        pairs = zip(theirs, ours, strict=True)
        row["different_answers"] = sum(a != b for a, b in pairs)
        return row | {"answers_in_all": len(set(theirs))}
    if isinstance(theirs[0], tuple):
        flags = zip(theirs, ours, strict=True)
        row["different_flags"] = sum(a[1] != b[1] for a, b in flags)
        row["greedy"] = sum(flag for _, flag in theirs)
        theirs, ours = ([x for x, _ in side] for side in (theirs, ours))
    errors = [abs(a - b) for a, b in zip(theirs, ours, strict=True)]
    row["largest_difference"] = max(errors)
    relative = (e / abs(a) for e, a in zip(errors, theirs, strict=True))
    return row | {"largest_relative": max(relative)}


if __name__ == "__main__":
    main()
