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
from evalkit.spec.catalog import ModelCard
from evalkit.spec.resolve import resolve
from evalkit.stages.bench import Asked, bench
from evalkit.store.run import Run
from tests.checkpoints import write_decidiffusion, write_stable_diffusion
from tests.conftest import ROOT
from tests.stages.drawing import procedural, write_study


@pytest.fixture
def tiny(checkout, settings):
    """A study of a tiny DeciDiffusion and a tiny Stable Diffusion, with a published table."""
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


def run_of(resolved, settings) -> Run:
    return Run(settings.runs_dir / resolved.run_name)


def test_every_part_of_every_system_is_measured_in_every_round(tiny, settings):
    told = []
    asked = Asked(rounds=3, batch_sizes=(1, 2))
    outcome = bench(tiny, settings, asked=asked, progress=lambda *step: told.append(step))
    run = run_of(tiny, settings)
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
    assert ("rounds of stages", 3, 3) in told
    assert outcome.next.startswith("evalkit report")


def test_the_section_stands_beside_the_published_seconds(tiny, settings):
    bench(tiny, settings, asked=Asked(rounds=3))
    found = section(run_of(tiny, settings))
    text = json.dumps([block.__dict__ for block in found.blocks], default=str, ensure_ascii=False)
    assert "0.715" in text and "0.437" in text and "2.95" in text
    ratio = found.numbers["step/deci-stock/pytorch/1"]
    assert ratio.n == 3 and ratio.low < ratio.value < ratio.high
    latency = read_latency(run_of(tiny, settings))
    expected = latency.stage("deci", "pytorch", 1, "step") / latency.stage("stock", "pytorch", 1, "step")
    assert ratio.value == pytest.approx(float(expected.prod() ** (1 / 3)))


def test_a_run_without_measurements_has_no_section(tiny, settings):
    run = run_of(tiny, settings)
    assert read_latency(run) is None and section(run) is None


def test_parts_are_added_up_where_no_whole_image_is_drawn(tiny, settings):
    outcome = bench(tiny, settings, asked=Asked(rounds=3, longest=0.0))
    latency = read_latency(run_of(tiny, settings))
    seconds, whole = latency.image("stock", "pytorch", 1, 9)
    parts = {stage: latency.stage("stock", "pytorch", 1, stage) for stage in ("text", "step", "vae", "safety", "write")}
    assert not whole
    by_hand = parts["text"] + 9 * parts["step"] + parts["vae"] + parts["safety"] + parts["write"]
    assert seconds.to_list() == pytest.approx(by_hand.to_list())
    assert any("--longest" in warning for warning in outcome.warnings)


def test_steps_alone_say_nothing_about_whole_images(tiny, settings):
    bench(tiny, settings, asked=Asked(rounds=3, longest=0.0, stages=("step",)))
    latency = read_latency(run_of(tiny, settings))
    assert len(latency.image("stock", "pytorch", 1, 9)[0]) == 0
    found = section(run_of(tiny, settings))
    assert not any(name.startswith("image/") for name in found.numbers)


def test_a_system_made_slower_is_seen(tiny, settings):
    """A planted fault: one system's seconds doubled in the table double its ratio, and nothing else."""
    bench(tiny, settings, asked=Asked(rounds=4, longest=0.0))
    latency = read_latency(run_of(tiny, settings))
    slower = latency.table.copy()
    slower.loc[slower["system"] == "deci", "seconds"] *= 2
    before = latency.step_ratio("deci", "stock", "pytorch", 1, 0.95)
    after = Latency(slower, latency.record).step_ratio("deci", "stock", "pytorch", 1, 0.95)
    assert after.value == pytest.approx(2 * before.value) and after.low == pytest.approx(2 * before.low)


def test_what_cannot_be_measured_is_refused(tiny, checkout, settings):
    with pytest.raises(SpecError, match="no stage"):
        bench(tiny, settings, asked=Asked(stages=("texts",)))
    with pytest.raises(SpecError, match="runtime"):
        bench(tiny, settings, asked=Asked(runtimes=("pytorhc",)))
    with pytest.raises(SpecError, match="system"):
        bench(tiny, settings, asked=Asked(systems=("decy",)))
    with pytest.raises(ModelError, match="no architecture on file"):
        bench(tiny, settings, asked=Asked(random_weights=True))
    with pytest.raises(SpecError, match="none of the systems"):
        bench(procedural(checkout), settings)
    assert not run_of(tiny, settings).has("latency.parquet")


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
