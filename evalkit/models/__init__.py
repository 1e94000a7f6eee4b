"""Ways of loading a text-to-image model, one file each: `load(card, ...)` gives a Generator (see `_generator.py`)."""
