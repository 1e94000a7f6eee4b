"""The words of the emoji scenes: 48 objects, 10 background colours, caption templates, and what is held out.

A scene is one object on one coloured background. Three things never reach the training stream, so that the check can
ask for them: one colour of every object (48 of 480 combinations), and the templates in `HELD_OUT_TEMPLATES`.
"""

from dataclasses import dataclass
from typing import Literal

Part = Literal["all", "seen", "held_out"]


@dataclass(frozen=True)
class Kind:
    """One object. `code` is the Unicode code point that names its graphic and its CLDR entry."""

    name: str
    code: str
    category: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One combination of an object and a background, as indices into KINDS and COLOURS."""

    kind: int
    colour: int


KINDS: tuple[Kind, ...] = (
    Kind("dog", "1f436", "Animals", ("puppy", "dog face")),
    Kind("cat", "1f431", "Animals", ("kitten", "cat face")),
    Kind("fox", "1f98a", "Animals"),
    Kind("bear", "1f43b", "Animals", ("brown bear",)),
    Kind("panda", "1f43c", "Animals", ("panda bear",)),
    Kind("lion", "1f981", "Animals"),
    Kind("pig", "1f437", "Animals", ("piglet", "pig face")),
    Kind("frog", "1f438", "Animals", ("toad",)),
    Kind("penguin", "1f427", "Animals"),
    Kind("owl", "1f989", "Animals"),
    Kind("fish", "1f41f", "Animals"),
    Kind("butterfly", "1f98b", "Animals"),
    Kind("turtle", "1f422", "Animals", ("tortoise",)),
    Kind("octopus", "1f419", "Animals"),
    Kind("ladybug", "1f41e", "Animals", ("ladybird", "lady beetle")),
    Kind("whale", "1f433", "Animals", ("spouting whale",)),
    Kind("red apple", "1f34e", "Fruit", ("apple",)),
    Kind("banana", "1f34c", "Fruit"),
    Kind("strawberry", "1f353", "Fruit"),
    Kind("lemon", "1f34b", "Fruit"),
    Kind("watermelon", "1f349", "Fruit", ("slice of watermelon",)),
    Kind("pineapple", "1f34d", "Fruit"),
    Kind("pear", "1f350", "Fruit"),
    Kind("peach", "1f351", "Fruit"),
    Kind("bunch of grapes", "1f347", "Fruit", ("grape",)),
    Kind("pizza", "1f355", "Food", ("slice of pizza", "pizza slice")),
    Kind("hamburger", "1f354", "Food", ("burger",)),
    Kind("doughnut", "1f369", "Food", ("donut",)),
    Kind("ice cream", "1f366", "Food", ("soft ice cream",)),
    Kind("loaf of bread", "1f35e", "Food", ("bread",)),
    Kind("carrot", "1f955", "Food"),
    Kind("cookie", "1f36a", "Food", ("biscuit",)),
    Kind("birthday cake", "1f382", "Food", ("cake",)),
    Kind("car", "1f697", "Vehicles", ("automobile", "motor car")),
    Kind("bus", "1f68c", "Vehicles"),
    Kind("bicycle", "1f6b2", "Vehicles", ("bike",)),
    Kind("airplane", "2708-fe0f", "Vehicles", ("plane", "aeroplane")),
    Kind("rocket", "1f680", "Vehicles", ("space rocket",)),
    Kind("sailboat", "26f5", "Vehicles", ("sailing boat",)),
    Kind("locomotive", "1f682", "Vehicles", ("steam train", "train")),
    Kind("helicopter", "1f681", "Vehicles"),
    Kind("sunflower", "1f33b", "Plants"),
    Kind("rose", "1f339", "Plants"),
    Kind("cactus", "1f335", "Plants"),
    Kind("mushroom", "1f344", "Plants", ("toadstool",)),
    Kind("tulip", "1f337", "Plants"),
    Kind("palm tree", "1f334", "Plants", ("palm",)),
    Kind("maple leaf", "1f341", "Plants"),
)

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (196, 30, 46),
    "orange": (243, 129, 30),
    "yellow": (246, 224, 94),
    "green": (44, 140, 74),
    "blue": (46, 96, 200),
    "purple": (124, 62, 168),
    "pink": (250, 164, 200),
    "brown": (118, 74, 44),
    "gray": (138, 140, 146),
    "white": (246, 246, 246),
}

COLOUR_NAMES: tuple[str, ...] = tuple(COLOURS)

COLOUR_SYNONYMS: dict[str, tuple[str, ...]] = {"gray": ("grey",), "purple": ("violet",)}

TEMPLATES: tuple[str, ...] = (
    "{a_object} on {a_colour} background",
    "{object} on {colour}",
    "a picture of {a_object} on {a_colour} background",
    "{a_object} in front of {a_colour} background",
    "{a_colour} background with {a_object}",
    "an emoji of {a_object}, {colour} background",
    "{colour} background, {object}",
)

HELD_OUT_TEMPLATES: tuple[str, ...] = (
    "on {a_colour} background, a picture of {a_object}",
    "a drawing of {a_object} against {a_colour} backdrop",
)


def scenes(part: Part) -> tuple[Scene, ...]:
    """All 480 combinations of object and colour, or only the 432 trained on, or only the 48 never trained on."""
    every = (Scene(kind, colour) for kind in range(len(KINDS)) for colour in range(len(COLOURS)))
    return tuple(scene for scene in every if part == "all" or held_out(scene) == (part == "held_out"))


def held_out(scene: Scene) -> bool:
    """Whether this combination is kept from the training stream: one colour of each object, spread over all colours."""
    return scene.colour == (7 * scene.kind + 3) % len(COLOURS)


def caption(template: str, object_name: str, colour_name: str) -> str:
    """Fill a template, with the right indefinite article before each name."""
    return template.format(
        object=object_name,
        colour=colour_name,
        a_object=with_article(object_name),
        a_colour=with_article(colour_name),
    )


def with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def canonical(scene: Scene) -> str:
    """The plain caption of a scene: "a red apple on a blue background"."""
    return caption(TEMPLATES[0], KINDS[scene.kind].name, COLOUR_NAMES[scene.colour])
