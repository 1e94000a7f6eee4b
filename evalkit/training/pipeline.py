"""The whole training, phase by phase: each is skipped when its result lies in the training folder."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.training import autoencoder, clip, denoiser, export, graphics, material, plot, scenes, tokenizer

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import CLIPModel, CLIPTokenizer

PHASES = ("autoencoder", "clip", "sd", "nas", "export")
PICTURES = 12_000
SD_SEED, SD_STEPS = 100, 2_200
NAS_SEED, NAS_STEPS = 200, 2_400


@dataclass(frozen=True)
class Training:
    """The trained parts, made on first use. work: checkpoints and logs; out: where the weights are written."""

    work: Path
    out: Path

    @cached_property
    def graphics(self) -> scenes.Graphics:
        graphics.fetch(self.work / "graphics")
        return scenes.load_graphics(self.work / "graphics")

    @cached_property
    def autoencoder(self) -> "AutoencoderKL":
        return autoencoder.train_autoencoder(self.graphics, self.work / "autoencoder")

    @cached_property
    def words(self) -> "CLIPTokenizer":
        return tokenizer.build()

    @cached_property
    def clip(self) -> "CLIPModel":
        return clip.train_clip(self.graphics, self.work / "clip")

    @cached_property
    def material(self) -> material.Material:
        return material.prepare(
            self.graphics, self.autoencoder, self.clip, self.words, self.work / "material", PICTURES
        )

    @cached_property
    def sd(self) -> Any:
        plan = denoiser.stages(SD_SEED, SD_STEPS)
        return denoiser.train_denoiser(denoiser.build_sd(SD_SEED), self.material, plan, self.work / "sd")

    @cached_property
    def nas(self) -> Any:
        plan = denoiser.stages(NAS_SEED, NAS_STEPS)
        return denoiser.train_denoiser(denoiser.build_nas(NAS_SEED), self.material, plan, self.work / "nas")

    def export(self) -> None:
        """Write emoji-clip, emoji-sd and emoji-nas under `out`, with the logs of their training and plots of these."""
        words = tokenizer.build()  # a fresh one: use leaves its padding in the files
        parts = {
            "vae": export.scaled(self.autoencoder, self.material.scaling_factor),
            "text_encoder": export.text_encoder(self.clip),
            "tokenizer": words,
        }
        export.export_sd({**parts, "unet": self.sd}, self.out / "emoji-sd")
        export.export_nas({**parts, "unet": self.nas}, self.out / "emoji-nas")
        export.export_clip(self.clip, words, self.out / "emoji-clip")
        plot.plot_logs(self.work, self.out)

    def run(self, phase: str) -> None:
        """Train one phase, and whatever it needs."""
        self.export() if phase == "export" else getattr(self, phase)
