"""Section 4: examples that a corpus contains, and what they change."""
