"""How the embedded models were made: a small text-to-image pair trained on emoji scenes (`python -m evalkit.training`)."""
