"""fetch against a small local hub: pins once, downloads only what is needed, and says clearly what went wrong."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow
import pytest
import yaml
from pyarrow import parquet

from evalkit.errors import ModelError, UnavailableError
from evalkit.metrics import pick_score
from evalkit.metrics._captions import captioned_pictures
from evalkit.metrics._metric import Workplace
from evalkit.models._hub_files import chosen_files
from evalkit.prompts import load
from evalkit.settings import Settings
from evalkit.spec.catalog import Catalog, ModelCard
from evalkit.spec.resolve import resolve
from evalkit.stages.fetch import fetch
from evalkit.store.hub import RemoteFile
from evalkit.store.images import encode_png
from tests.checkpoints import write_decidiffusion, write_stable_diffusion
from tests.clip_checkpoint import write_clip
from tests.conftest import ROOT
from tests.hub import serving
from tests.metrics import small_networks
from tests.stages.drawing import procedural, stored, write_study

CODE = """
import json, pathlib, sys
from evalkit.errors import EvalkitError
from evalkit.settings import Settings
from evalkit.spec.plan import Part
from evalkit.spec.resolve import resolve
from evalkit.stages.fetch import fetch
from evalkit.stages.generate import generate
from evalkit.stages.score import score
root = pathlib.Path({root!r})
settings = Settings(root=root, threads=1, device="cpu", _env_file=None)
try:
    for word in {words!r}:
        resolved = resolve("trial", root)
        verb, _, folder = word.partition(" ")
        if verb == "generate":
            outcome = generate(resolved, settings, part=Part(limit=2), batch_size=4)
        elif verb == "score":
            outcome = score(resolved, settings, partial=True)
        else:
            where = {{"to": {{"to": pathlib.Path(folder)}}, "from": {{"source": pathlib.Path(folder)}}}}.get(verb, {{}})
            outcome = fetch(resolved, settings, **where)
        print(json.dumps(outcome.as_json()))
except EvalkitError as error:
    print(json.dumps({{"error": str(error)}}))
"""


@pytest.fixture
def hub(tmp_path):
    with serving() as hub:
        yield hub


def call(checkout, hub, *words, **environment):
    """Runs stages in a process of its own, whose hub and cache are the test's; gives what each said."""
    code = CODE.format(root=str(checkout), words=words)
    env = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(checkout / "hf"), "PATH": "/usr/bin:/bin", "HOME": str(checkout)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=env | environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def lock(checkout):
    return yaml.safe_load((checkout / "studies/trial.lock.yaml").read_text())


def both(checkout, hub):
    hub.repositories["some/sd"] = write_stable_diffusion(checkout / "hub/sd")
    hub.repositories["some/deci"] = write_decidiffusion(checkout / "hub/deci")
    (checkout / "hub/sd/unet/diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    (checkout / "hub/deci/pipeline.py").write_text("raise SystemExit('ran')")
    deci = {"source": "some/deci", "loader": "decidiffusion", "size_multiple": 32}
    deci |= {"revision": hub.revision, "revision_source": "the test"}
    write_study(checkout, cards={"sd": {"source": "some/sd", "revision": "unpinned"}, "deci": deci})


def test_from_the_hub_to_images_and_then_offline(checkout, hub, settings):
    both(checkout, hub)
    before = resolve("trial", checkout).sha
    fetched, generated = call(checkout, hub, "fetch", "generate")
    assert lock(checkout)["models"] == {"sd": hub.revision}
    assert fetched["revisions"] == {"sd": hub.revision, "deci": hub.revision}
    assert fetched["bytes"] > 0 and fetched["files"] == len(hub.asked)
    assert not [name for name in hub.asked if name.endswith((".bin", ".py"))]
    assert hub.asked.count("unet/diffusion_pytorch_model.safetensors") == 1  # the stock one, not the placeholder
    assert generated["listed"] == 4
    assert len(stored(settings.images_dir)) == 8  # batches of four
    assert resolve("trial", checkout).sha != before
    asked = len(hub.asked)
    again, nothing = call(checkout, hub, "fetch", "generate")
    assert again["said"] == "everything is there"
    assert nothing["said"].startswith("nothing to draw")
    assert len(hub.asked) == asked
    [offline] = call(checkout, hub, "generate", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9")
    assert offline["said"].startswith("nothing to draw")


def test_the_weights_of_a_metric_are_pinned_and_fetched_and_code_beside_them_is_not(checkout, hub, settings):
    hub.repositories["some/sd"] = write_stable_diffusion(checkout / "hub/sd")
    hub.repositories["some/pick"] = write_clip(checkout / "hub/pick")
    (checkout / "hub/pick/code.py").write_text("raise SystemExit('ran')")
    small_networks.card(checkout, "pickscore-v1", source="some/pick", files=["*"], base="clip-vit-h-14")
    small_networks.card(checkout, "clip-vit-h-14", source="some/pick", files=["*.json"])
    cards = {"sd": {"source": "some/sd", "revision": "unpinned"}}
    write_study(checkout, cards=cards, metrics=["pick_score"])
    with pytest.raises(UnavailableError, match="not pinned"):
        pick_score.identity(Workplace(settings, checkout / "features"))
    call(checkout, hub, "fetch")
    assert lock(checkout)["models"] == dict.fromkeys(("sd", "pickscore-v1", "clip-vit-h-14"), hub.revision)
    assert "model.safetensors" in hub.asked and "code.py" not in hub.asked
    place = Workplace(settings, checkout / "features", revisions=lock(checkout)["models"])
    assert f"pickscore-v1:{hub.revision[:8]}+clip-vit-h-14:{hub.revision[:8]}" in pick_score.identity(place)


def test_a_locked_revision_stays_when_the_hub_moves_on(checkout, hub):
    both(checkout, hub)
    first = hub.revision
    call(checkout, hub, "fetch")
    hub.revision = "f" * 40
    [answer] = call(checkout, hub, "fetch")
    assert "no such repository, revision or file" in answer["error"]
    assert lock(checkout)["models"] == {"sd": first}


def test_the_hub_must_answer_with_the_revision_that_was_asked_for(checkout, hub):
    """Planted: a mirror that answers every revision with its main branch."""
    both(checkout, hub)
    card = checkout / "data/models/deci.yaml"
    card.write_text(card.read_text().replace(hub.revision, "e" * 40))
    hub.lenient = True
    [answer] = call(checkout, hub, "fetch")
    assert f"the hub answered revision {hub.revision}" in answer["error"]
    assert not hub.asked


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("gone", "no such repository"),
        ("gated", "gated"),
        ("full disk", "MB free"),
        ("offline", "cannot be reached"),
        ("offline mode", "cannot be reached"),
        ("pattern", "no safe file"),
        ("pickles", "no safetensors"),
    ],
)
def test_what_went_wrong_is_told_and_nothing_is_downloaded(checkout, hub, fault, message):
    both(checkout, hub)
    environment = {}
    if fault == "gone":
        del hub.repositories["some/sd"]
    elif fault == "gated":
        hub.gated.add("some/sd")
    elif fault == "full disk":
        hub.sizes["vae/diffusion_pytorch_model.safetensors"] = 10**18
    elif fault == "offline":
        environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    elif fault == "offline mode":
        environment = {"HF_HUB_OFFLINE": "1"}
    elif fault == "pattern":
        with (checkout / "data/models/sd.yaml").open("a") as file:
            file.write("files: [model_index.json, nowhere/*]\n")
    else:
        for path in (checkout / "hub/sd").rglob("*.safetensors"):
            path.rename(path.with_suffix(".bin"))
    [answer] = call(checkout, hub, "fetch", **environment)
    assert message in answer["error"]
    assert not hub.asked
    if fault == "offline":
        assert "http://127.0.0.1:9" in answer["error"] and "get online" in answer["error"]


def test_a_data_set_of_prompts_is_pinned_too(checkout, hub):
    both(checkout, hub)
    hub.repositories["some/prompts"] = checkout / "hub/sd/scheduler"
    (checkout / "data/prompts/words.yaml").write_text(
        "title: Words\nloader: parti\nsource: some/prompts\nrevision: unpinned\n"
    )
    [answer] = call(checkout, hub, "fetch")
    assert lock(checkout)["prompts"] == {"words": hub.revision}
    assert "PartiPrompts cannot be had" in answer["error"]  # this data set holds no prompts


# ---------------------------------------------------------------------------------------- all of it, and mirrors

NOWHERE = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}


def everything(checkout, hub):
    """A study that needs two models, a metric's network and a data set of prompts from the hub."""
    both(checkout, hub)
    hub.repositories["some/clip"] = write_clip(checkout / "hub/clip")
    (checkout / "hub/parti").mkdir()
    rows = [f"a {colour} box\tArts\tBasic\t" for colour in ("red", "blue", "green", "black")]
    (checkout / "hub/parti/PartiPrompts.tsv").write_text("\n".join(["Prompt\tCategory\tChallenge\tNote", *rows]))
    (checkout / "hub/parti/README.md").write_text("not needed")
    hub.repositories["some/prompts"] = checkout / "hub/parti"
    (checkout / "data/prompts/words.yaml").write_text(
        "title: Words\nloader: parti\nsource: some/prompts\nrevision: unpinned\n"
    )
    study = yaml.safe_load((checkout / "studies/trial.yaml").read_text())
    captioned(checkout / "hub/captions/data", hub)
    (checkout / "data/prompts/scenes.yaml").write_text(
        "title: Scenes\nloader: captions\nsource: some/captions\nrevision: unpinned\ntable: data/scenes/set.csv\n"
    )
    study["reference"] = "data/scenes/set.csv"
    study["metrics"] = [{"name": "clip_score", "model": f"some/clip@{hub.revision}"}]
    (checkout / "studies/trial.yaml").write_text(yaml.safe_dump(study))


def captioned(folder, hub):
    """A data set of four pictures with captions in two parquet files, as data sets of the hub are stored."""
    folder.mkdir(parents=True)
    for part in range(2):
        rows = [
            {"image": {"bytes": noise(2 * part + n), "path": None}, "caption": f"scene {n}, {part}"} for n in (0, 1)
        ]
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"train-0000{part}-of-00002.parquet")
    hub.repositories["some/captions"] = folder.parent


def noise(seed):
    return encode_png(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def check_scenes(checkout):
    """The reference set is unpacked whole, in order, as prompts and as a reference."""
    found = load(Catalog(checkout).prompt_set("scenes"), Settings(root=checkout, _env_file=None))
    assert [prompt.text for prompt in found] == ["scene 0, 0", "scene 1, 0", "scene 0, 1", "scene 1, 1"]
    pictures = captioned_pictures(checkout / "data/scenes/set.csv")
    assert [(key, path.read_bytes()) for key, path in pictures] == [(one.key, noise(n)) for n, one in enumerate(found)]


def test_inceptions_weights_count_before_the_first_byte(settings, hub, monkeypatch):
    """The server tells their size; a disk that is too small for them is refused, and nothing is asked for."""
    published = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    monkeypatch.setenv("TORCH_HOME", str(settings.root / "torch"))
    monkeypatch.setattr(published, "URL_INCEPTION_V3", f"{hub.endpoint}/some/inception/resolve/main/weights.pth")
    hub.repositories["some/inception"] = settings.root / "hub"
    (settings.root / "hub").mkdir()
    (settings.root / "hub/weights.pth").write_bytes(b"x" * 5_000_000)
    resolved = procedural(settings.root, metrics=["fid"])
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=4_000_000))
    with pytest.raises(UnavailableError, match="5 MB needed, but 4 MB free"):
        fetch(resolved, settings)
    assert not hub.asked
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=6_000_000))
    with pytest.raises(UnavailableError, match="cannot be downloaded: invalid hash"):
        fetch(resolved, settings)
    assert hub.asked == ["weights.pth"]


def test_all_that_a_study_needs_goes_through_a_mirror_to_a_machine_without_a_hub(checkout, hub, tmp_path):
    everything(checkout, hub)
    mirror = tmp_path / "mirror"
    written, again = call(checkout, hub, f"to {mirror}", f"to {mirror}")
    assert set(written["revisions"]) == {"sd", "deci", "some/clip", "some/prompts", "some/captions"}
    check_scenes(checkout)
    assert "PartiPrompts.tsv" in hub.asked and "README.md" not in hub.asked and written["copied_bytes"] > 0
    assert again["copied_bytes"] == 0 and len(hub.asked) == written["files"]
    assert not [path for path in mirror.rglob("*") if path.is_symlink()]
    (checkout / "studies/trial.lock.yaml").unlink()
    shutil.rmtree(checkout / "data/scenes")
    other = {**NOWHERE, "HF_HOME": str(tmp_path / "elsewhere")}
    [refused] = call(checkout, hub, "fetch", **other)
    assert "cannot be reached" in refused["error"] and "--from DIR" in refused["error"]
    used, drawn, scored, nothing = call(checkout, hub, f"from {mirror}", "generate", "score", f"from {mirror}", **other)
    assert used["revisions"] == written["revisions"] and used["files"] == written["files"]
    assert lock(checkout) == {
        "models": {"sd": hub.revision},
        "prompts": dict.fromkeys(("words", "scenes"), hub.revision),
    }
    check_scenes(checkout)
    assert drawn["listed"] == 4 and len(scored["values"]) > 0
    assert nothing["said"] == "everything is there"


@pytest.mark.parametrize("fault", ["changed", "gone", "unlisted", "no record", "another study"])
def test_a_mirror_that_is_damaged_is_refused_and_nothing_half_copied(checkout, hub, tmp_path, fault):
    both(checkout, hub)
    mirror = tmp_path / "mirror"
    call(checkout, hub, f"to {mirror}")
    [file] = mirror.glob("models/some/sd/*/unet/*.safetensors")
    record = json.loads((mirror / "mirror.json").read_text())
    if fault == "changed":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif fault == "gone":
        file.unlink()
    elif fault == "unlisted":
        record["files"] = {name: facts for name, facts in record["files"].items() if "/sd/" not in name}
        (mirror / "mirror.json").write_text(json.dumps(record))
    elif fault == "no record":
        (mirror / "mirror.json").unlink()
    else:
        (mirror / "mirror.json").write_text(json.dumps(record | {"locks": {}}))
        (checkout / "studies/trial.lock.yaml").unlink()
    messages = {"changed": "missing or was changed", "gone": "missing or was changed", "no record": "no mirror here"}
    messages |= {"unlisted": "the mirror has no some/sd", "another study": "does not know the revision of some/sd"}
    [answer] = call(checkout, hub, f"from {mirror}", **NOWHERE, HF_HOME=str(tmp_path / "elsewhere"))
    assert messages[fault] in answer["error"]
    assert not [path for path in (tmp_path / "elsewhere").rglob("*") if "tmp" in path.name or path.name == file.name]


def test_a_download_that_broke_off_goes_on(checkout, hub):
    """The connection breaks in the middle of the network; what was there before is not asked for again."""
    both(checkout, hub)
    hub.breaks["vae/diffusion_pytorch_model.safetensors"] = True
    answers = call(checkout, hub, "fetch")
    answers += call(checkout, hub, "fetch")
    assert answers[-1]["said"].endswith(("fetched", "everything is there"))
    counts = {name: hub.asked.count(name) for name in hub.asked if name == "text_encoder/model.safetensors"}
    assert counts == {"text_encoder/model.safetensors": 2}  # once for each of the two repositories
    [drawn] = call(checkout, hub, "generate")
    assert drawn["listed"] == 4


# ---------------------------------------------------------------------------------------- choosing files

LAYOUT = [
    "model_index.json",
    "v1-5.safetensors",
    "v1-5.ckpt",
    "README.md",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.bin",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder_2/model-00001-of-00002.safetensors",
    "text_encoder_2/model.fp16-00001-of-00002.safetensors",
    "text_encoder_2/model.safetensors.index.json",
    "tokenizer/merges.txt",
    "flexible_unet/diffusion_pytorch_model.safetensors",
    "evil/run.py",
]


def chosen(**fields):
    card = ModelCard(name="x", title="x", source="a/b", revision="unpinned", **fields)
    return {file.name for file in chosen_files(card, [RemoteFile(name, 1) for name in LAYOUT])}


def test_one_variant_of_each_network_is_chosen():
    both_ways = {
        "model_index.json",
        "unet/config.json",
        "tokenizer/merges.txt",
        "vae/diffusion_pytorch_model.safetensors",
    }
    both_ways |= {"flexible_unet/diffusion_pytorch_model.safetensors", "text_encoder_2/model.safetensors.index.json"}
    plain = {"unet/diffusion_pytorch_model.safetensors", "text_encoder_2/model-00001-of-00002.safetensors"}
    half = {"unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder_2/model.fp16-00001-of-00002.safetensors"}
    assert chosen() == both_ways | plain
    assert chosen(variant="fp16") == both_ways | half
    assert not [name for name in chosen(loader="decidiffusion") if name.startswith("unet/")]


def test_patterns_choose_and_never_a_pickle():
    assert chosen(files=("model_index.json", "unet/*.fp16.*")) == {
        "model_index.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    }
    with pytest.raises(ModelError, match="no safe file"):
        chosen(files=("unet/*.bin",))
    with pytest.raises(ModelError, match="no safetensors"):
        chosen(files=("unet/config.json",))


@pytest.mark.parametrize("name", ["decidiffusion-v1-0", "sd15"])
def test_the_projects_own_cards_name_their_files(name):
    """Their patterns fit the published layouts, and take neither the placeholder nor a second variant."""
    card = ModelCard(name=name, **yaml.safe_load((ROOT / f"data/models/{name}.yaml").read_text()))
    parts = ["unet", "vae", "text_encoder", "safety_checker"] + ["flexible_unet"] * (card.loader == "decidiffusion")
    half = ".fp16" if card.variant else ""
    stems = {"text_encoder": "model", "safety_checker": "model"}
    weights = [f"{part}/{stems.get(part, 'diffusion_pytorch_model')}{half}.safetensors" for part in parts]
    others = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt"]
    others += ["feature_extractor/preprocessor_config.json", *[f"{part}/config.json" for part in parts]]
    there = [RemoteFile(name, 1) for name in [*weights, *others, "unet/diffusion_pytorch_model.bin", "pipeline.py"]]
    found = {file.name for file in chosen_files(card, there)}
    assert found == {name for name in [*weights, *others] if card.loader == "diffusers" or not name.startswith("unet/")}
