"""Commands of a cluster, and `keras-gpt3`, that note what they are told."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[2]

STAND_INS = {
    # Notes what it was told, then does as a test wishes.
    "keras-gpt3": r"""
[[ -n ${UNTIL_TERM:-} ]] && trap 'exit 75' TERM
printf '%s|%s\n' "${TF_CONFIG:-}" "$*" >> "$RECORDS/keras-gpt3"
process=${KERAS_DISTRIBUTION_PROCESS_ID:-}
of="$process of ${KERAS_DISTRIBUTION_NUM_PROCESSES:-}"
at="$of at ${KERAS_DISTRIBUTION_JOB_ADDRESSES:-}"
printf '%s: %s|%s\n' "${KERAS_BACKEND:-}" "$at" "$*" >> "$RECORDS/processes"
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

    def check_processes(self, address, arguments):
        """Raises unless each of two processes under JAX was told so."""
        assert sorted(self.told("processes")) == [
            f"jax: {process} of 2 at {address}|{arguments}"
            for process in (0, 1)
        ]
