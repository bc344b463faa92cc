"""Which cases of a test `make test` leaves to `make test-all`."""

import pytest


def slow_but(cases, *quick):
    """Cases to parametrize with: all marked slow but the quick ones."""
    return [
        case
        if case in quick
        else pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=pytest.mark.slow,
        )
        for case in cases
    ]
