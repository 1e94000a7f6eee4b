"""Counts tensors, parameters and prefixes of a U-Net-NAS file from its head alone. Imports nothing of evalkit or torch.

python tests/count_checkpoint.py diffusion_pytorch_model.safetensors
"""

import json
import re
import sys
from collections import defaultdict
from math import prod
from pathlib import Path

PUBLISHED = {
    "tensors": 612,
    "parameters": 814_746_884,
    "bytes": 1_629_493_768,
    "prefixes": {
        "conv_in": [2, 11_840],
        "time_embedding": [4, 2_050_560],
        "down_blocks.0": [22, 5_432_000],
        "down_blocks.1": [50, 27_630_080],
        "down_blocks.2": [92, 143_614_720],
        "mid_block": [104, 239_961_600],
        "up_blocks.0": [182, 313_448_960],
        "up_blocks.1": [116, 71_413_120],
        "up_blocks.2": [36, 11_171_840],
        "conv_norm_out": [2, 640],
        "conv_out": [2, 11_524],
    },
    "dtypes": ["F16"],
    "modules": {
        "down_blocks.0": "RR",
        "down_blocks.1": "RAR",
        "down_blocks.2": "RAAA",
        "mid_block": "RARARRR",
        "up_blocks.0": "RARAAAAA",
        "up_blocks.1": "RARARA",
        "up_blocks.2": "RRR",
    },
}
"""The published figures of DeciDiffusion 1.0, and the order of residual (R) and attention (A) modules in each block."""


def count(*paths: Path) -> dict:
    """The same facts of one file, or of all shards of one network."""
    entries = {}
    for path in paths:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            entries |= json.loads(file.read(size))
    entries.pop("__metadata__", None)
    prefixes, modules = defaultdict(lambda: [0, 0]), defaultdict(dict)
    for key, entry in entries.items():
        prefix = re.match(r"(?:down_blocks|up_blocks)\.\d|[a-z_]+", key)[0]
        prefixes[prefix][0] += 1
        prefixes[prefix][1] += prod(entry["shape"])
        if found := re.fullmatch(r"(.*)\.modules_list\.(\d+)\.(conv1|proj_in)\.weight", key):
            modules[found[1]][int(found[2])] = "R" if found[3] == "conv1" else "A"
    return {
        "tensors": len(entries),
        "parameters": sum(prod(entry["shape"]) for entry in entries.values()),
        "bytes": sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in entries.values()),
        "prefixes": dict(prefixes),
        "dtypes": sorted({entry["dtype"] for entry in entries.values()}),
        "modules": {name: "".join(kinds[place] for place in sorted(kinds)) for name, kinds in modules.items()},
    }


if __name__ == "__main__":
    print(json.dumps(count(*map(Path, sys.argv[1:])), indent=2))
