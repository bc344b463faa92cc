"""The steps of a run under JAX: one program for all devices and processes.

JAX only. Each process reads the rows of its own devices. The state is donated:
after a step the model's variables have the new values.
"""

import concurrent.futures
import functools

import jax
import keras
import numpy as np
from jax import numpy as jnp

from keras_gpt3.training.jax.monitored_step import evaluation_sums
from keras_gpt3.training.jax.monitored_step import monitored_step
from keras_gpt3.training.run.report import REPORT


class JaxLoop:
    """Trains and validates a model on the mesh that is set.

    A batch that grows is as long as the largest, and says how many of its
    micro-batches count: the step is compiled once.
    """

    def __init__(self, model, data, parts, batch_size, largest_batch):
        self._model, self._data = model, data
        self._batch_size, self._largest = batch_size, largest_batch
        self._grows = not isinstance(batch_size, int)
        self._rows = _HostArrays(*parts)
        self._train_program = self._evaluate_program = None
        self._ahead = None
        self.num_traces = 0

    def read_from(self, step, batch, skip_batches):
        """Read on from a batch that is not skipped."""
        dataset = self._data.training_dataset(
            self._batch_size, batch, skip_batches
        )
        self._batches = dataset.as_numpy_iterator()
        self._ahead = None

    def train(self, requests):
        """Make a step; return its report, and the requests of all processes."""
        if self._train_program is None:
            self._train_program = self._compile(self._train_step, 1)
        batch = (self._ahead or _outcome(self._read)).result()
        variables = self._variables()
        state = jax.tree.map(lambda variable: variable.value, variables)
        values, state = self._train_program(
            state, *batch, self._rows.requests(requests)
        )
        jax.tree.map(lambda variable, x: variable.assign(x), variables, state)
        # The next batch is read while the devices compute; an error of it is
        # the next step's.
        self._ahead = _outcome(self._read)
        values = np.asarray(values).tolist()
        report = dict(zip(REPORT, values, strict=False))
        return report | {"requests": values[len(REPORT) :]}

    def evaluate(self, name):
        """Mean loss and accuracy over a held-out set, a dict of floats."""
        if self._evaluate_program is None:
            self._evaluate_program = self._compile(self._evaluate_step, 0)
        dataset, num_batches = self._data.held_out_dataset(name)
        batches = dataset.as_numpy_iterator()
        trainable, others, _ = jax.tree.map(
            lambda variable: variable.value, self._variables()
        )
        total = np.zeros(3)
        for _ in range(num_batches):
            x, y, _ = self._rows.read(batches)
            sums, _ = self._evaluate_program((trainable, others), x, y)
            total += np.asarray(sums)
        loss, accuracy, tokens = total.tolist()
        return {"loss": loss / tokens, "accuracy": accuracy / tokens}

    def _variables(self):
        model = self._model
        return (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
        )

    def _read(self):
        """The next batch, and the number of its micro-batches if it grows."""
        if not self._grows:
            x, y, _ = self._rows.read(self._batches)
            return x, y, None
        x, y, rows_of_part = self._rows.read(self._batches, self._largest)
        number = rows_of_part // self._model.compiled_step.micro_batch_size
        return x, y, jnp.asarray(number, "int32")

    # === Programs ===

    def _train_step(self, state, x, y, number, requests):
        self.num_traces += 1  # Python runs this only when it traces.
        report, requests, state = monitored_step(
            self._model, state, _with_padding_mask(x, y), requests, number
        )
        values = jnp.stack([report[name] for name in REPORT])
        return jnp.concatenate([values, requests]), state

    def _evaluate_step(self, state, x, y):
        sums = evaluation_sums(self._model, *state, _with_padding_mask(x, y))
        return sums, ()

    def _compile(self, step, num_donated):
        """Compile a step, whose state comes out laid out as it went in."""
        donated = tuple(range(num_donated))
        if keras.distribution.distribution() is None:
            return jax.jit(step, donate_argnums=donated)
        layouts = ()
        if donated:
            layouts = jax.tree.map(
                lambda variable: variable.value.sharding, self._variables()
            )
        return jax.jit(
            step,
            donate_argnums=donated,
            out_shardings=(self._rows.on_all, layouts),
        )


def _with_padding_mask(x, y):
    """Inputs and labels of full contexts, as `packed_dataset` has them."""
    return x | {"padding_mask": jnp.ones(y.shape, "bool")}, y


def _outcome(call):
    """What a call returns or raises, to be asked for later."""
    outcome = concurrent.futures.Future()
    try:
        outcome.set_result(call())
    except Exception as error:
        outcome.set_exception(error)
    return outcome


class _HostArrays:
    """Makes arrays of all devices from the rows that a process reads."""

    def __init__(self, num_parts, own_parts):
        self._num_parts, self._own_parts = num_parts, own_parts

    @functools.cached_property
    def _mesh(self):
        distribution = keras.distribution.distribution()
        return distribution and distribution.device_mesh.backend_mesh

    def _spread(self, *axes):
        spec = jax.sharding.PartitionSpec(*axes)
        return jax.sharding.NamedSharding(self._mesh, spec)

    @property
    def on_all(self):
        """The sharding of what every device has whole."""
        return self._spread()

    def read(self, batches, num_rows=None):
        """Inputs and labels (B, T) of a batch, `num_rows` with padding.

        Without the padding mask, which is a constant of the program. And the
        rows of a part without padding.
        """
        parts = [next(batches) for _ in self._own_parts]
        names = sorted(parts[0][0].keys() - {"padding_mask"})
        x = {
            name: self._array([inputs[name] for inputs, _ in parts], num_rows)
            for name in names
        }
        labels = [labels for _, labels in parts]
        return x, self._array(labels, num_rows), len(labels[0])

    def _array(self, parts, num_rows):
        """Own parts (B / S, T) of an array, which has padding after each."""
        rows = len(parts[0])
        if num_rows is not None:
            rows = num_rows // self._num_parts
            parts = [np.pad(x, ((0, rows - len(x)), (0, 0))) for x in parts]
        if self._mesh is None:
            return jnp.asarray(parts[0])
        of_part = dict(zip(self._own_parts, parts, strict=True))
        axis = keras.distribution.distribution().batch_dim_name
        return jax.make_array_from_callback(
            (self._num_parts * rows, parts[0].shape[1]),
            self._spread(axis),
            lambda index: of_part[(index[0].start or 0) // rows],
        )

    def requests(self, values):
        """An array (D, R) of all devices, of which this process has its own."""
        own = np.array([values], "float32")
        if self._mesh is None:
            return jnp.asarray(own)
        # Counted once in a process, not once a device.
        share = own / len(self._mesh.local_devices)
        return jax.make_array_from_callback(
            (self._mesh.size, own.shape[1]),
            self._spread(self._mesh.axis_names),
            lambda index: share,
        )
