"""A mark for tests that need torch, which `make venv` does not install."""

import importlib.util

import pytest

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="needs torch, which make venv does not install; run on 2026-11-25 "
    "with torch 2.13",
)
