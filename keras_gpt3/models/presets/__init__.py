"""Presets, folders and hub handles: resolved, read, checked and written.

Read `preset_registry`, `preset_resolution`, then `checkpoint_loading`.
"""
