"""Files that anybody may hand over: they are read, or refused in words; at once, and in little memory."""

from __future__ import annotations

import io
import json
import signal
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import EvalkitError, ModelError
from evalkit.prompts import tables as prompt_tables
from evalkit.settings import Settings
from evalkit.spec.catalog import PromptSet
from evalkit.spec.resolve import resolve
from evalkit.stages.table_check import table_check
from evalkit.store import arrays
from tests.conftest import ROOT

SECONDS, MEGABYTES = 10, 150
FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
FEWER = settings(FEW, max_examples=15)
MANY = settings(FEW, max_examples=3000, derandomize=False)


@contextmanager
def harmless() -> Iterator[None]:
    """Ends well or in words of ours, within SECONDS and MEGABYTES."""

    def hangs(number: int, frame: object) -> None:
        raise AssertionError(f"it takes longer than {SECONDS} s")

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    usual = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        yield
    except EvalkitError as error:
        assert str(error).strip() and "Traceback" not in str(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, usual)
    grown = peak() - before
    assert grown < MEGABYTES, f"it took {grown:.0f} MB"


def peak() -> float:
    """The most memory that this process had resident, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with some bytes changed, cut out, doubled, or put in."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(0, 40))
        new = draw(st.binary(max_size=12) | st.sampled_from(TOKENS))
        how = draw(st.sampled_from(["change", "cut", "double", "put in", "cut the rest"]))
        piece = {
            "change": new,
            "cut": b"",
            "double": content[at : at + length] * 2,
            "put in": new + content[at : at + 1],
        }
        end = len(content) if how == "cut the rest" else at + (1 if how == "put in" else length)
        content[at:end] = piece.get(how, b"")
    return bytes(content)


TOKENS = [
    b"\0", b"\xff\xfe", b"\n", b'"', b"'", b"- ", b"{", b"[" * 3000, b"!!python/object:os.system", b"&a [*a]", b"1e999",
    b"-1", b"9" * 400, b"nan", b"\xed\xa0\x80", b'"\\ud800"', b"true", b"null", b"\t", b"0x", b"%", b"<table>", b"|",
]  # fmt: skip

STUDIES = [
    (ROOT / "studies" / f"{name}.yaml").read_bytes() for name in ("demo", "decidiffusion-vs-sd15", "audit-people")
]


def read_study(folder: Path, content: bytes) -> None:
    path = folder / "mine.yaml"
    path.write_bytes(content)
    with harmless():
        resolve(path, ROOT)


@FEW
@given(content=st.sampled_from(STUDIES).flatmap(damaged) | st.binary(max_size=300))
def test_study_files(tmp_path, content):
    read_study(tmp_path, content)


@pytest.mark.slow
@MANY
@given(content=st.sampled_from(STUDIES).flatmap(damaged) | st.binary(max_size=300))
def test_many_study_files(tmp_path, content):
    read_study(tmp_path, content)


PROMPTS = {
    "csv": b'key,prompt,lang\na,"a red, round apple",en\nb,two dogs,en\n',
    "tsv": b"key\tprompt\tlang\na\ta red apple\ten\nb\ttwo dogs\ten\n",
    "jsonl": b'{"key": "a", "prompt": "a red apple", "lang": "en"}\n{"prompt": "two dogs"}\n',
}


def read_prompts(folder: Path, kind: str, content: bytes) -> None:
    path = folder / f"mine.{kind}"
    path.write_bytes(content)
    card = PromptSet(name="mine", title="Mine", source=str(path), languages=("en",))
    with harmless():
        prompt_tables.load(card, Settings(root=ROOT, _env_file=None))


KINDS = st.sampled_from(sorted(PROMPTS))


@FEW
@given(data=st.data(), kind=KINDS)
def test_prompt_files(tmp_path, data, kind):
    read_prompts(tmp_path, kind, data.draw(damaged(PROMPTS[kind]) | st.binary(max_size=300)))


@pytest.mark.slow
@MANY
@given(data=st.data(), kind=KINDS)
def test_many_prompt_files(tmp_path, data, kind):
    read_prompts(tmp_path, kind, data.draw(damaged(PROMPTS[kind]) | st.binary(max_size=300)))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("csv", b'key,"prompt\na,b\n'),
        ("csv", b"prompt\n" + b"x" * 2_000_000),
        ("csv", b"prompt\0,key\na\0,b\n"),
        ("jsonl", b'{"prompt": ' + b"[" * 100_000),
        ("jsonl", b'{"prompt": "\\ud800"}\n'),
        ("jsonl", b'{"prompt": {"a": 1}, "key": [], "lang": 5}\n'),
    ],
)
def test_traps_in_prompt_files(tmp_path, kind, content):
    read_prompts(tmp_path, kind, content)


TABLES = [
    b"| answer | looks |\n|---|---|\n| A | 41.1 % |\n| B | 30.5 % |\n| On par | 26.3 % |\n| Neither | 2.1 % |\n",
    b"<table><tr><th>answer<th>looks<tr><td>A<td>60 %<tr><td>B<td>40 %</table>",
    b"answer,looks\nA,60\nB,30\ntie,10\n",
    rb"\begin{tabular}{lr} answer & looks \\ A & 60 \% \\ B & 40 \% \\ \end{tabular}",
    b"A 60 %\nB 40 %\n",
]


def judge(folder: Path, content: bytes) -> None:
    path = folder / "table.txt"
    path.write_bytes(content)
    with harmless():
        table_check(str(path), max_n=300)


@FEW
@given(content=st.sampled_from(TABLES).flatmap(damaged) | st.binary(max_size=300))
def test_tables_given_to_the_doctor(tmp_path, content):
    judge(tmp_path, content)


@pytest.mark.slow
@MANY
@given(content=st.sampled_from(TABLES).flatmap(damaged) | st.binary(max_size=300))
def test_many_tables_given_to_the_doctor(tmp_path, content):
    judge(tmp_path, content)


def packed(**content: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **content)
    return out.getvalue()


FEATURES = packed(extractor=np.array("lite0"), features=np.zeros((4, 3), np.float32), sha256=np.array(list("abcd")))


def read_arrays(folder: Path, content: bytes) -> None:
    path = folder / "features.npz"
    path.write_bytes(content)
    with harmless():
        try:
            with arrays.opened(path) as stored:
                for name in stored:
                    assert stored[name].nbytes < 1_000_000
        except arrays.FAULTS:
            return


@FEW
@given(content=damaged(FEATURES) | st.binary(max_size=300))
def test_feature_files(tmp_path, content):
    read_arrays(tmp_path, content)


@pytest.mark.slow
@MANY
@given(content=damaged(FEATURES) | st.binary(max_size=300))
def test_many_feature_files(tmp_path, content):
    read_arrays(tmp_path, content)


def bomb(head: str = "", size: int = 0, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A .npz whose array declares more than it holds, or unpacks to `size` zeros."""
    out = io.BytesIO()
    said = head or f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({size // 4},), }}"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said) + 1) + said.encode() + b"\n"
    with zipfile.ZipFile(out, "w", kind) as file, file.open("features.npy", "w") as member:
        member.write(content)
        for _ in range(size // 1_000_000):
            member.write(b"\0" * 1_000_000)
    return out.getvalue()


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
OBJECTS = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
NEGATIVE = "{'descr': '<f8', 'fortran_order': False, 'shape': (-5,), }"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bomb(size=250_000_000), "would grow from"),
        (bomb(HUGE), "more than the file holds"),
        (bomb(OBJECTS), "holds Python objects"),
        (bomb(NEGATIVE), "more than the file holds"),
    ],
    ids=["a bomb", "a huge shape", "objects", "a negative shape"],
)
def test_traps_in_feature_files_are_refused_unopened(tmp_path, content, said):
    path = tmp_path / "trap.npz"
    path.write_bytes(content)
    with harmless(), pytest.raises(ValueError, match=said), arrays.opened(path):
        pass


@pytest.mark.slow
def test_the_twin_numpy_alone_unpacks_the_bomb(tmp_path):
    path = tmp_path / "trap.npz"
    path.write_bytes(bomb(size=250_000_000))
    with pytest.raises(AssertionError, match="it took"), harmless(), np.load(path, allow_pickle=False) as stored:
        assert stored["features"].sum() == 0


HEADER = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
TENSORS = struct.pack("<Q", len(HEADER)) + HEADER + b"\0" * 8


def read_weights(folder: Path, content: bytes) -> None:
    import safetensors.torch  # noqa: F401  (its own memory does not count)

    from evalkit.extractors._tensors import read_tensors

    path = folder / "weights.safetensors"
    path.write_bytes(content)
    with harmless():
        read_tensors(path)


@FEWER
@given(content=damaged(TENSORS) | st.binary(max_size=100))
def test_headers_of_weights(tmp_path, content):
    read_weights(tmp_path, content)


@pytest.mark.slow
@MANY
@given(content=damaged(TENSORS) | st.binary(max_size=100))
def test_many_headers_of_weights(tmp_path, content):
    read_weights(tmp_path, content)


@pytest.mark.parametrize("declared", [2**63, 10**11, 99_999_999])
def test_weights_that_declare_a_huge_header_are_refused(tmp_path, declared):
    from evalkit.extractors._tensors import read_tensors

    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", declared) + HEADER)
    with harmless(), pytest.raises(ModelError, match="cannot be read"):
        read_tensors(path)


def test_the_twin_a_traceback_is_seen():
    with pytest.raises(ZeroDivisionError), harmless():
        _ = 1 / 0
