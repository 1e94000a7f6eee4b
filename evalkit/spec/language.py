"""Languages by their BCP-47 tags: which tags exist, what they are called, which are variants of another."""

from __future__ import annotations


def require_language(tag: str) -> str:
    """The tag in its standard form ("PT-br" is "pt-BR").

    Raises:
        ValueError: no such language, script or region is registered (IANA, RFC 5646).
    """
    import langcodes

    if not langcodes.tag_is_valid(tag):
        raise ValueError(f"no language {tag!r}: write a BCP-47 tag, as en, pt-BR or zh-Hans")
    return str(langcodes.standardize_tag(tag))


def is_variant(tag: str, base: str) -> bool:
    """Whether `tag` is another form of the language `base`: "en-GB" or the private "en-x-reworded" of "en"."""
    return tag != base and tag.split("-")[0] == base.split("-")[0]


def name_of(tag: str) -> str:
    """The English name: "Swahili", "Portuguese (Brazil)"; a private part is put in words: "English, reworded"."""
    import langcodes

    public, _, private = tag.partition("-x-")
    name: str = langcodes.Language.get(public).display_name()
    return f"{name}, {private.replace('-', ' ')}" if private else name


def direction(tag: str) -> str:
    """ "rtl" for languages that are written from right to left by default, else "ltr"."""
    import langcodes

    right_to_left = {"Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg", "Mand", "Samr"}
    return "rtl" if langcodes.Language.get(tag.partition("-x-")[0]).maximize().script in right_to_left else "ltr"
