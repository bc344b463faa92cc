#!/usr/bin/env bash
# Tokenizes the three sample corpora: runs/shards/NAME/train and, of one
# document in twenty, runs/shards/NAME/validation. Takes about 18
# seconds on 2 CPU cores. To be run from the root of the repository:
#
#     bash examples/pretrain/prepare.sh
set -euo pipefail

# Each into a folder of its own: the mixture gives each its weight.
for name in speeches novels encyclopedia; do
  keras-gpt3 prepare "examples/data/$name.jsonl.gz" \
    --out "runs/shards/$name" --validation-fraction 0.05
done
