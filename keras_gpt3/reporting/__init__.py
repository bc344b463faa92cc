"""Reports and figures: one way for all of them."""
