"""How the embedded models were made: a small text-to-image pair of emoji scenes (`python -m evalkit.training`)."""
