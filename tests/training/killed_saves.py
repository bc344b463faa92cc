"""A program whose saves are killed at every step of their way, or run full.

`python killed_saves.py ROOT` wants `ROOT/template`, a folder with checkpoints
of the steps 100 and 200, and prints what it did as JSON. TensorFlow starts
slowly: one program does all, in processes that it forks before their first op.
"""

import itertools
import json
import logging
import os
import pathlib
import resource
import shutil
import signal
import sys

import numpy as np

from keras_gpt3.training.checkpoints.run_checkpoints import RunCheckpoints

EVENTS = {"os.mkdir", "os.remove", "os.rename", "os.rmdir"}
LIMIT_BYTES = 2**17


def arrays(generation, size=100):
    return {"kernel": np.full(size, generation, "float32")}


def save_anew(folder):
    """Replaces the checkpoint of step 200 and removes that of step 100."""
    with RunCheckpoints(folder, keep_last=1, keep_best=False) as checkpoints:
        checkpoints.save(200, arrays(2), {"generation": 2})


def kill_before(number, folder):
    """Kills this process before it does something to a folder the nth time."""
    counter = itertools.count()

    def watch(event, arguments):
        opens = event == "open" and str(folder) in str(arguments[0])
        if (opens or event in EVENTS) and next(counter) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def limit_files(action):
    """Lets no file grow beyond a size; tells what happens where one would."""
    signal.signal(signal.SIGXFSZ, action)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))


def die_amid_the_arrays(folder):
    limit_files(signal.SIG_DFL)
    with RunCheckpoints(folder) as checkpoints:
        checkpoints.save(300, arrays(3, LIMIT_BYTES), {"generation": 3})


def run_full(folder):
    """Saves three times, the second time more than the disk takes."""
    limit_files(signal.SIG_IGN)
    handler = logging.FileHandler(folder.with_suffix(".log"))
    logging.getLogger("keras_gpt3").addHandler(handler)
    with RunCheckpoints(folder) as checkpoints:
        for step, size in ((100, 100), (200, LIMIT_BYTES), (300, 100)):
            checkpoints.save(step, arrays(step, size), {"generation": step})
            checkpoints.wait()
            names = sorted(path.name for path in folder.iterdir())
            folder.with_suffix(f".{step}").write_text(json.dumps(names))
        folder.with_suffix(".failed").write_text(str(checkpoints.num_failed))


def fork(function, *arguments):
    """Runs a function in a process of its own; returns what ended it."""
    process_id = os.fork()
    if process_id == 0:
        try:
            function(*arguments)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def killed_at(number, folder):
    kill_before(number, folder)
    save_anew(folder)


def main(root):
    codes = {}
    for number in itertools.count():
        folder = root / f"killed_{number:02d}"
        shutil.copytree(root / "template", folder)
        codes[folder.name] = fork(killed_at, number, folder)
        if codes[folder.name] != -signal.SIGKILL:
            break
    shutil.copytree(root / "template", root / "arrays")
    codes["arrays"] = fork(die_amid_the_arrays, root / "arrays")
    codes["full"] = fork(run_full, root / "full")
    sys.stdout.write(json.dumps(codes))
    # Left under way: the end of the program completes it.
    checkpoints = RunCheckpoints(root / "unfinished")
    checkpoints.save(100, arrays(1, 2**22), {"generation": 1})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
