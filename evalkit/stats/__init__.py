"""Pure statistics: arrays in, frozen dataclasses out. Imports nothing else of evalkit."""
