"""The tokenizer: captions are short, and any text of any script becomes known tokens."""

import pytest

from evalkit.training import tokenizer

TEXTS = [
    "पृष्ठभूमि पर लाल सेब",
    "파란색 배경",
    "青い背景のリンゴ",
    "تفاحة",
    "🍎 café\u0000\n\t",
    "",
    "A RED APPLE!?",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
]


@pytest.fixture(scope="module")
def words() -> object:
    return tokenizer.build()


def test_each_word_of_the_captions_is_one_token(words: object) -> None:
    ids = words("a red apple on a blue background").input_ids  # type: ignore[operator]
    assert words.convert_ids_to_tokens(ids)[1:-1] == [  # type: ignore[attr-defined]
        f"{word}</w>" for word in ("a", "red", "apple", "on", "a", "blue", "background")
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_becomes_known_tokens_and_at_most_77(words: object, text: str) -> None:
    inner = words(text).input_ids[1:-1]  # type: ignore[operator]
    assert words.unk_token_id not in inner  # type: ignore[attr-defined]
    cut = words(text * 30, truncation=True, padding="max_length").input_ids  # type: ignore[operator]
    assert len(cut) == 77


def test_the_bytes_of_a_foreign_word_come_back(words: object) -> None:
    ids = words("파란색 배경").input_ids[1:-1]  # type: ignore[operator]
    letters = "".join(words.convert_ids_to_tokens(ids)).replace("</w>", "")  # type: ignore[attr-defined]
    alphabet = dict(zip(tokenizer.byte_letters(), BYTES, strict=True))
    assert bytes(alphabet[letter] for letter in letters).decode("utf-8") == "파란색배경"


def test_learned_merges_join_the_most_frequent_pair_first() -> None:
    from collections import Counter

    merges = tokenizer.learn_merges(Counter({"aab": 5, "ab": 1}))
    assert merges[0] == ("a", "b</w>") and ("a", "ab</w>") in merges


BYTES = [
    *range(33, 127), *range(161, 173), *range(174, 256),
    *(byte for byte in range(256) if not (33 <= byte < 127 or 161 <= byte < 173 or byte >= 174)),
]  # fmt: skip
