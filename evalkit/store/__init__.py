"""What a machine keeps: run folders, manifests, column contracts, and the voting database."""
