"""Exported models where only TensorFlow is imported, and on the disk."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf

SCRIPT = pathlib.Path(__file__).parent / "run_saved_model.py"


def run_script(**request):
    """Answers a request to `tests/export/run_saved_model.py`."""
    command = [sys.executable, str(SCRIPT), json.dumps(request)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, cwd=SCRIPT.parent
    )
    return json.loads(done.stdout)


def stored_bytes(version, least=100):
    """Bytes of a version's variables of at least so many numbers."""
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    dtypes = reader.get_variable_to_dtype_map()
    sizes = {
        key: int(np.prod(shape))
        for key, shape in reader.get_variable_to_shape_map().items()
    }
    return sum(
        size * dtypes[key].size for key, size in sizes.items() if size >= least
    )
