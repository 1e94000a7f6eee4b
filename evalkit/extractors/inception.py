"""InceptionV3 of 2015-12-05, 2048 features: the network of the FID paper, read by torch-fidelity.

Heusel et al. 2017, arXiv 1706.08500. Its weights are downloaded once, or put into torch's own folder by hand. `model`
names how pictures are resized: clean (the default), or as pytorch-fid, torch-fidelity or torchmetrics do.
"""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import MissingExtraError, UnavailableError
from evalkit.extractors import EmbedPictures
from evalkit.extractors._inception_inputs import SIDE, way
from evalkit.extractors._inception_network import build
from evalkit.extractors._network import embedding
from evalkit.settings import Settings
from evalkit.spec.fingerprint import file_sha256

DIMENSIONS = 2048
WEIGHTS_SHA256 = "6726825d"
_FILES = ("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth")


def identity(settings: Settings, model: str | None = None) -> str:
    """Network, weights and preprocessing, as signatures carry them."""
    return f"inception-2015-12-05:{file_sha256(weights_file(settings))[:8]}|{way(model)[0]}"


def load(settings: Settings, model: str | None = None) -> EmbedPictures:
    """A function from picture files to rows (n, 2048): the last pooling, not normalised."""
    return embedding(build(weights_file(settings)), way(model)[1], SIDE, settings)


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
