"""Model cards, rendered from what training and evaluation measured."""
