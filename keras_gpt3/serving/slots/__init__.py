"""Continuous batching on the slots of an export.

Read `slot_answer.py` (a request and its answer on the way),
`slot_engine.py` (who has a slot, and what a step does), `slot_inputs.py` (what
the signatures are called with), `prefix_store.py` (beginnings that prompts
share), `slot_drafts.py` (speculation).
"""
