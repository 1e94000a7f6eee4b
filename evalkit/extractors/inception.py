"""InceptionV3 of 2015-12-05, 2048 features: the network of the FID paper, read by torch-fidelity.

Heusel et al. 2017, arXiv 1706.08500. Its weights are downloaded once, or put into torch's own folder by hand. `model`
names how pictures are resized: clean (the default), or as pytorch-fid, torch-fidelity or torchmetrics do.
"""

from __future__ import annotations

from pathlib import Path
from urllib.request import Request, urlopen

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
    path = _found(settings) or _download(_torch_folder())
    if not file_sha256(path).startswith(WEIGHTS_SHA256):
        hint = f"delete it; its SHA-256 must begin with {WEIGHTS_SHA256}"
        raise UnavailableError("not the published Inception weights", where=str(path), hint=hint)
    return path


def to_download(settings: Settings) -> tuple[Path, int]:
    """The folder that the weights would be downloaded into, and their bytes, as the server tells; 0: they are there."""
    return _torch_folder(), 0 if _found(settings) else _size()


def _found(settings: Settings) -> Path | None:
    places = (settings.root / "data" / "weights", _torch_folder())
    return next((place / name for place in places for name in _FILES if (place / name).is_file()), None)


def _torch_folder() -> Path:
    from torch.hub import get_dir

    return Path(get_dir()) / "checkpoints"


def _url() -> str:
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as published
    except ImportError:
        raise MissingExtraError("torch-fidelity", "models") from None
    return str(published.URL_INCEPTION_V3)


def _size() -> int:
    request = Request(_url(), method="HEAD")
    try:
        with urlopen(request, timeout=30) as answer:
            return int(answer.headers.get("Content-Length") or 0)
    except OSError as error:
        raise _unreachable(error, _torch_folder()) from error


def _download(folder: Path) -> Path:
    from torch.hub import download_url_to_file

    url = _url()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(folder / _FILES[0]), hash_prefix=WEIGHTS_SHA256, progress=False)
    except (OSError, RuntimeError) as error:
        raise _unreachable(error, folder) from error
    return folder / _FILES[0]


def _unreachable(error: Exception, folder: Path) -> UnavailableError:
    return UnavailableError(
        f"the Inception weights ({_FILES[0]}) cannot be downloaded: {error}",
        where=str(folder),
        hint="put the file there by hand, or use fd_lite0 and kid_lite0, which need no download",
    )
