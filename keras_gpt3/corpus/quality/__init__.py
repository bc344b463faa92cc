"""The stage `filter`: a classifier of quality and the paper's rule."""
