"""Inception weights in the published shapes, with random numbers."""

from pathlib import Path


def write_random_inception(path: Path) -> Path:
    """torch-fidelity's own network, freshly drawn from one seed, as the file it reads."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    made: dict = {}

    class Unloaded(FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            made.update(self.state_dict())

    torch.save({}, path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Unloaded("random", ["2048"], str(path))
        # activations that neither fade nor explode, and statistics of the normalisation that are not 0 and 1
        for name, tensor in made.items():
            if name.endswith("conv.weight"):
                torch.nn.init.kaiming_normal_(tensor)
            elif name.endswith("running_mean"):
                tensor.normal_(0, 0.1)
            elif name.endswith("running_var"):
                tensor.uniform_(0.6, 1.4)
    torch.save(made, path)
    return path
