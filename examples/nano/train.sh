#!/usr/bin/env bash
# From the sample corpora to the preset gpt3_nano_en. Rerun, it resumes.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ -d runs/nano/new ] || python examples/nano/new_model.py
for corpus in speeches novels encyclopedia; do
  [ -d "runs/nano/shards/$corpus" ] ||
    keras-gpt3 prepare "examples/data/$corpus.jsonl.gz" --preset runs/nano/new \
      --out "runs/nano/shards/$corpus" --validation-fraction 0.05
done
keras-gpt3 pretrain --config examples/nano/run.yaml
python examples/nano/write_preset.py
