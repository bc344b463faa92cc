"""What answers are measured by, with intervals."""
