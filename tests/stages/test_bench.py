"""bench: every part of every system in every round, whole images, what was measured; and the report's section of it."""

import json
from pathlib import Path

import pytest
import torch

from evalkit.errors import ModelError, SpecError
from evalkit.models._random import architecture, load_random, network_on_meta
from evalkit.runtimes._call import Call
from evalkit.runtimes._cell import operations
from evalkit.sections._latency import Latency, read_latency
from evalkit.sections.latency import section
from evalkit.settings import Settings
from evalkit.spec.catalog import ModelCard
from evalkit.spec.resolve import resolve
from evalkit.stages.bench import Asked, _apart, _load, bench
from evalkit.store.run import Run
from tests.checkpoints import write_decidiffusion, write_stable_diffusion
from tests.conftest import ROOT, empty_checkout
from tests.stages.drawing import procedural, write_study


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A study of a tiny DeciDiffusion and a tiny Stable Diffusion, with a published table."""
    checkout = empty_checkout(tmp_path_factory.mktemp("bench"))
    write_decidiffusion(checkout / "deci")
    write_stable_diffusion(checkout / "stock", safety_checker=True)
    cards = {
        "deci": {"loader": "decidiffusion", "source": "deci", "size_multiple": 32},
        "stock": {"loader": "diffusers", "source": "stock", "safety_checker": True},
    }
    rows = [{"system": "deci", "runtime": "PyTorch", "steps": 9, "seconds": 2.11}]
    rows += [{"system": "stock", "runtime": "PyTorch", "steps": 9, "seconds": 2.95}]
    rows += [{"system": "deci", "runtime": "PyTorch", "steps": 3, "seconds": 1.29}]
    write_study(checkout, cards=cards, published_latency={"source": "a card", "hardware": "a GPU", "rows": rows})
    return resolve("trial", checkout)


@pytest.fixture(scope="module")
def measured(tiny):
    """All of it, three rounds at two batch sizes, while nobody else works: the outcome, the run, and its progress."""
    told, settings = [], Settings(root=tiny.root, threads=1, device="cpu", _env_file=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evalkit.stages.bench.share_of_others", lambda *_: 0.0)
        asked = Asked(rounds=3, batch_sizes=(1, 2))
        outcome = bench(tiny, settings, asked=asked, progress=lambda *step: told.append(step))
    return outcome, run_of(tiny, settings), told


@pytest.fixture
def elsewhere(tiny, tmp_path):
    """Settings of a run that no other test has touched."""
    return Settings(root=tiny.root, data=tmp_path, _env_file=None)


def run_of(resolved, settings) -> Run:
    return Run(settings.runs_dir / resolved.run_name)


def shown(run) -> str:
    return json.dumps([block.__dict__ for block in section(run).blocks], default=str, ensure_ascii=False)


def test_every_part_of_every_system_is_measured_in_every_round(measured):
    outcome, run, told = measured
    table, record = run.read_table("latency.parquet", "latency"), run.read_json("latency.json")
    parts = table[table["stage"] != "image"]
    counted = parts.groupby(["system", "batch_size", "stage"])["round"].apply(sorted)
    assert all(rounds == [0, 1, 2] for rounds in counted)
    assert {stage for system, _, stage in counted.index if system == "deci"} == {"text", "step", "vae", "write"}
    assert {stage for system, _, stage in counted.index if system == "stock"} == {
        *("text", "step", "vae", "safety", "write"),
    }
    assert (table["seconds"] > 0).all()
    images = table[table["stage"] == "image"].groupby(["system", "batch_size", "steps"]).size()
    assert images.eq(3).all() and len(images) == 2 * 2 * 2
    assert {cell["batch_size"] for cell in record["cells"]} == {1, 2} and not record["failed"]
    assert record["cells"][0]["network_calls"] == {"9": 9, "3": 3}
    assert all(cell["operations_per_step"] > 0 and cell["parameters"] > 0 for cell in record["cells"])
    assert ("parts", 12, 12) in told and ("whole batches", 24, 24) in told
    assert outcome.next.startswith("evalkit report")


def test_the_closing_line_says_the_ratio_of_a_step(measured):
    outcome, _, _ = measured
    ratio = outcome.facts["step_ratios"]["deci / stock (pytorch, batch 1)"]
    assert f"{ratio['value']:.3f} ({ratio['low']:.3f}-{ratio['high']:.3f}), n = 3 rounds" in outcome.said
    assert len(outcome.facts["step_ratios"]) == 2  # never across batch sizes
    assert "by processor time deci / stock (pytorch, batch 1): " in outcome.said


def test_the_section_stands_beside_the_published_seconds(measured):
    _, run, _ = measured
    found, text = section(run), shown(run)
    assert "0.715" in text and "0.437" in text and "2.95" in text and "Other work" not in text
    ratio = found.numbers["step/deci-stock/pytorch/1"]
    assert ratio.n == 3 and ratio.low < ratio.value < ratio.high
    latency = read_latency(run)
    expected = latency.stage("deci", "pytorch", 1, "step") / latency.stage("stock", "pytorch", 1, "step")
    assert ratio.value == pytest.approx(float(expected.prod() ** (1 / 3)))


def test_processor_time_is_compared_on_one_thread_only(measured):
    """Several threads count the time in which they wait for each other."""
    latency = read_latency(measured[1])
    found = latency.processor_ratio("deci", "stock", "pytorch", 1, 0.95)
    rows = latency.table[(latency.table["stage"] == "step") & (latency.table["batch_size"] == 1)]
    wide = rows.pivot(index="round", columns="system", values="cpu_seconds")
    assert found.value == pytest.approx(float((wide["deci"] / wide["stock"]).prod() ** (1 / 3))) and found.n == 3
    for other in ({"threads": 2}, {"device": "cuda"}):
        assert (
            Latency(latency.table, latency.record | other).processor_ratio("deci", "stock", "pytorch", 1, 0.95).value
            is None
        )


def test_a_system_made_slower_is_seen(measured):
    """A planted fault: one system's seconds doubled in the table double its ratio, and nothing else."""
    latency = read_latency(measured[1])
    slower = latency.table.copy()
    slower.loc[slower["system"] == "deci", "seconds"] *= 2
    before = latency.step_ratio("deci", "stock", "pytorch", 1, 0.95)
    after = Latency(slower, latency.record).step_ratio("deci", "stock", "pytorch", 1, 0.95)
    assert after.value == pytest.approx(2 * before.value) and after.low == pytest.approx(2 * before.low)


def test_a_run_without_measurements_has_no_section(tiny, elsewhere):
    run = run_of(tiny, elsewhere)
    assert read_latency(run) is None and section(run) is None


def test_parts_are_added_up_where_no_whole_image_is_drawn(tiny, elsewhere):
    outcome = bench(tiny, elsewhere, asked=Asked(systems=("stock",), rounds=3, longest=0.0))
    latency = read_latency(run_of(tiny, elsewhere))
    seconds, whole = latency.image("stock", "pytorch", 1, 9)
    parts = {stage: latency.stage("stock", "pytorch", 1, stage) for stage in ("text", "step", "vae", "safety", "write")}
    assert not whole
    by_hand = parts["text"] + 9 * parts["step"] + parts["vae"] + parts["safety"] + parts["write"]
    assert seconds.to_list() == pytest.approx(by_hand.to_list())
    assert any("--longest" in warning for warning in outcome.warnings)


def test_steps_alone_say_nothing_about_whole_images_and_work_of_others_is_told(tiny, elsewhere, monkeypatch):
    """The second is a planted fault: a neighbour that takes a fifth of the processor. Its twin is `measured`."""
    monkeypatch.setattr("evalkit.stages.bench.share_of_others", lambda *_: 0.2)
    outcome = bench(tiny, elsewhere, asked=Asked(rounds=3, longest=0.0, stages=("step",), contiguous=True))
    run = run_of(tiny, elsewhere)
    assert all("|contiguous|" in cell["signature"] for cell in run.read_json("latency.json")["cells"])
    assert len(read_latency(run).image("stock", "pytorch", 1, 9)[0]) == 0
    assert not any(name.startswith("image/") for name in section(run).numbers)
    assert any("other work took 20% of the processor" in text for text in outcome.warnings)
    assert "Other work took 20 % of the processor" in shown(run)


@pytest.mark.parametrize("contiguous", [True, False])
def test_the_memory_format_is_the_one_that_was_asked_for(tiny, elsewhere, contiguous):
    generator = _load(tiny, "deci", elsewhere, Asked(contiguous=contiguous), "cpu")
    weight = generator.pipeline.unet.conv_in.weight
    assert weight.is_contiguous() is contiguous
    assert weight.is_contiguous(memory_format=torch.channels_last) is not contiguous


def test_nobody_else_working_is_not_told(measured):
    assert not any("other work" in text for text in measured[0].warnings)


def test_a_model_at_several_steps_is_measured_once(tiny):
    system = tiny.study.systems[0]
    more = [system.model_copy(update={"name": "more", "sampling": system.sampling.model_copy(update={"steps": 50})})]
    larger = system.sampling.model_copy(update={"width": 128, "height": 128})
    more += [system.model_copy(update={"name": "larger", "sampling": larger})]
    assert list(_apart([*tiny.study.systems, *more])) == ["deci", "stock", "larger"]


def test_what_cannot_be_measured_is_refused(tiny, checkout, elsewhere, settings):
    with pytest.raises(SpecError, match="no stage"):
        bench(tiny, elsewhere, asked=Asked(stages=("texts",)))
    with pytest.raises(SpecError, match="runtime"):
        bench(tiny, elsewhere, asked=Asked(runtimes=("pytorhc",)))
    with pytest.raises(SpecError, match="system"):
        bench(tiny, elsewhere, asked=Asked(systems=("decy",)))
    with pytest.raises(ModelError, match="no architecture on file"):
        bench(tiny, elsewhere, asked=Asked(random_weights=True))
    with pytest.raises(SpecError, match="none of the systems"):
        bench(procedural(checkout), settings)
    assert not run_of(tiny, elsewhere).has("latency.parquet")


@pytest.mark.parametrize(
    ("name", "parameters", "gflop"), [("decidiffusion-v1-0", 814_746_884, 1228.5), ("sd15", 859_520_964, 1606.5)]
)
def test_full_size_networks_count_as_published(name, parameters, gflop):
    """Parameters and operations of one guided step at 512 x 512, on networks without memory."""
    network = network_on_meta(architecture(name, ROOT)["unet"])
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    latents, states = torch.empty(2, 4, 64, 64), torch.empty(2, 77, 768)
    kwargs = {"encoder_hidden_states": states, "return_dict": False}
    counted = operations(Call(network, (latents, torch.tensor(1)), kwargs))
    assert counted / 1e9 == pytest.approx(gflop, abs=0.1)


def test_random_weights_draw_noise_through_the_same_path(tmp_path: Path):
    """A small architecture on file: every weight has a value, and the pipeline draws."""
    from evalkit.spec.study import Sampling
    from tests.checkpoints import CONFIGURATIONS, WIDTH

    full = architecture("decidiffusion-v1-0", ROOT)
    text = full["text_encoder"] | {"hidden_size": WIDTH, "intermediate_size": 8, "num_hidden_layers": 1}
    text |= {"num_attention_heads": 2, "vocab_size": 600}
    vae = full["vae"] | {"block_out_channels": [4, 4, 4, 4], "norm_num_groups": 2}
    small = {"_class_name": "UNetNAS", "configurations": CONFIGURATIONS, "norm_num_groups": 4}
    (tmp_path / "data/architectures").mkdir(parents=True)
    record = {"source": "a test", "unet": small, "vae": vae, "text_encoder": text, "scheduler": full["scheduler"]}
    (tmp_path / "data/architectures/small.json").write_text(json.dumps(record))
    card = ModelCard(name="small", title="Small", loader="decidiffusion", source="nowhere", size=64)
    generator = load_random(card, tmp_path, dtype=torch.float32, device="cpu")
    network = generator.pipeline.unet
    assert all(torch.isfinite(weight).all() for weight in network.parameters())
    assert sum(float(weight.std()) > 0.01 for weight in network.parameters() if weight.dim() > 1) > 20
    (image,) = generator.generate(["a red apple"], [0], Sampling(steps=2))
    assert image.pixels.shape == (64, 64, 3)
