"""A small byte-level tokenizer in CLIP's form, learned from the captions. Unknown words become pieces and bytes."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from evalkit.training import vocabulary
from evalkit.training.vocabulary import COLOUR_SYNONYMS, COLOURS, KINDS

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

LONGEST = 77
END_OF_WORD = "</w>"
Word = tuple[str, ...]


def build() -> "CLIPTokenizer":
    """Vocabulary: 256 bytes, 256 bytes that end a word, the learned merges, start and end of text (the last two)."""
    from transformers import CLIPTokenizer

    merges = learn_merges(words(captions()))
    start, end = "<|startoftext|>", "<|endoftext|>"
    letters = byte_letters()
    tokens = [*letters, *(letter + END_OF_WORD for letter in letters), *("".join(pair) for pair in merges), start, end]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=merges, model_max_length=LONGEST
    )


def captions() -> Iterable[str]:
    """Every name in a training template; words that only a held-out template has are read in pieces."""
    for kind in KINDS:
        for name in (kind.name, *kind.synonyms):
            for template in vocabulary.TEMPLATES:
                yield vocabulary.caption(template, name, "blue")
    for colour in COLOURS:
        for name in (colour, *COLOUR_SYNONYMS.get(colour, ())):
            yield vocabulary.caption(vocabulary.TEMPLATES[0], "dog", name)


def words(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs, without punctuation."""
    return Counter(word.strip(",.") for text in texts for word in text.split())


def learn_merges(counts: Counter[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016): join the most frequent pair until every word is one token."""
    pieces: dict[str, Word] = {word: (*word[:-1], word[-1] + END_OF_WORD) for word in counts}
    merges: list[tuple[str, str]] = []
    while pairs := _pair_counts(pieces, counts):
        best = max(sorted(pairs), key=lambda pair: pairs[pair])
        merges.append(best)
        pieces = {word: _join(parts, best) for word, parts in pieces.items()}
    return merges


def _pair_counts(pieces: dict[str, Word], counts: Counter[str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for word, parts in pieces.items():
        for pair in pairwise(parts):
            found[pair] += counts[word]
    return found


def _join(parts: Word, pair: tuple[str, str]) -> Word:
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def byte_letters() -> list[str]:
    """One printable letter for each byte value, as GPT-2's byte-level encoding names them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
