"""Section 6.2: gender, race and religion."""
