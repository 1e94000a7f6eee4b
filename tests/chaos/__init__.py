"""Breaking evalkit on purpose: `make chaos` kills, fills, corrupts and starves it, and counts what was lost."""
