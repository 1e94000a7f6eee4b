"""InceptionV3 of 2015-12-05, 2048 features: the network of the FID paper, read by torch-fidelity.

Heusel et al. 2017, arXiv 1706.08500. Its weights are downloaded once, or put into torch's own folder by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evalkit.errors import MissingExtraError, UnavailableError
from evalkit.extractors import EmbedPictures, Rows
from evalkit.extractors._network import find_device, run
from evalkit.extractors._pictures import prepared_batches, resize_float
from evalkit.settings import Settings
from evalkit.spec.fingerprint import file_sha256

SIDE, DIMENSIONS = 299, 2048
WEIGHTS_SHA256 = "6726825d"
_FILES = ("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth")
_LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


def identity(settings: Settings, model: str | None = None) -> str:
    """Network, weights and preprocessing, as signatures carry them."""
    return f"inception-2015-12-05:{file_sha256(weights_file(settings))[:8]}|pil-bicubic-f32-{SIDE}"


def load(settings: Settings, model: str | None = None) -> EmbedPictures:
    """A function from picture files to rows (n, 2048): the last pooling, not normalised."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise MissingExtraError("torch-fidelity", "models") from None
    device = find_device(settings)
    network = FeatureExtractorInceptionV3("inception", ["2048"], str(weights_file(settings))).to(device)

    def embed(paths: Sequence[Path]) -> Iterator[Rows]:
        return run(lambda pixels: forward(network, pixels), prepared_batches(paths, prepare), device)

    return embed


def weights_file(settings: Settings) -> Path:
    """The weights: in data/weights/, in torch's folder of checkpoints, or downloaded there.

    Raises:
        UnavailableError: they are nowhere and cannot be downloaded, or the file is not the published one.
    """
    folder = _torch_folder()
    places = [place / name for place in (settings.root / "data" / "weights", folder) for name in _FILES]
    path = next((place for place in places if place.is_file()), None) or _download(folder)
    if not file_sha256(path).startswith(WEIGHTS_SHA256):
        hint = f"delete it; its SHA-256 must begin with {WEIGHTS_SHA256}"
        raise UnavailableError("not the published Inception weights", where=str(path), hint=hint)
    return path


def prepare(image: Image.Image) -> Rows:
    """RGB picture -> float32 (3, 299, 299)."""
    return np.asarray((resize_float(image, SIDE) - 128) / 128, dtype=np.float32)


def forward(network: Any, pixels: Any) -> Any:
    """Prepared pixels -> features, layer by layer: torch-fidelity's own `forward` takes rounded pixels only."""
    for name in _LAYERS:
        pixels = getattr(network, name)(pixels)
    return pixels.flatten(1)


def _torch_folder() -> Path:
    from torch.hub import get_dir

    return Path(get_dir()) / "checkpoints"


def _download(folder: Path) -> Path:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
    except ImportError:
        raise MissingExtraError("torch-fidelity", "models") from None
    from torch.hub import download_url_to_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
        download_url_to_file(URL_INCEPTION_V3, str(folder / _FILES[0]), hash_prefix=WEIGHTS_SHA256, progress=False)
    except (OSError, RuntimeError) as error:
        raise UnavailableError(
            f"the Inception weights ({_FILES[0]}) cannot be downloaded: {error}",
            where=str(folder),
            hint="put the file there by hand, or use fd_lite0 and kid_lite0, which need no download",
        ) from error
    return folder / _FILES[0]
