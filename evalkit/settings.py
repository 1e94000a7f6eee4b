"""Where things lie and what is secret. The only file that reads the environment (variables EVALKIT_*)."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from evalkit.errors import SpecError
from evalkit.places import place


class Settings(BaseSettings):
    """The settings of this machine. Each has a variable of its own: `EVALKIT_DATA`, `EVALKIT_DATABASE_URL`, ..."""

    model_config = SettingsConfigDict(env_prefix="EVALKIT_", env_file=".env", extra="ignore", frozen=True)

    root: Path = Field(default_factory=lambda: find_root(Path.cwd()), description="the checkout: studies/ and data/")
    data: Path | None = Field(default=None, description="images, runs and the database; default ROOT/data")
    storage: str | None = Field(
        default=None, description="images and runs: a folder, s3://... or gs://...; default DATA"
    )
    reports: Path | None = Field(default=None, description="where reports are written; default ROOT/reports")
    database_url: str | None = Field(default=None, description="the voting database; default SQLite in DATA")
    parti: Path | None = Field(default=None, description="a local PartiPrompts.tsv, instead of the hub")
    unigenbench: Path | None = Field(default=None, description="the folder of UniGenBench's two CSV files")
    device: str = Field(default="auto", description="cuda, mps, cpu or auto")
    runtime: Literal["pytorch", "openvino"] = Field(default="pytorch", description="runs Inception and CLIP on a CPU")
    threads: int | None = Field(default=None, ge=1, description="CPU threads of torch; default: torch's own")
    wait: bool = Field(default=False, description="wait for another process that works on a run, instead of an error")
    app_url: str = Field(default="http://localhost:8501", description="the raters' address, for invite links")
    app_log: str | None = Field(default=None, description="the apps' log in lines of JSON: a file, or - for stderr")
    secret: SecretStr | None = Field(default=None, description="key of the image addresses; default: made in DATA")
    researcher_password: SecretStr | None = Field(default=None, description="password of the researcher's app")

    researcher_emails: str = Field(default="", description="who may sign in, separated by commas")
    oidc_metadata_url: str | None = Field(default=None, description="https://.../.well-known/openid-configuration")
    oidc_client_id: str | None = Field(default=None, description="of the researcher's app at the identity provider")
    oidc_client_secret: SecretStr | None = Field(default=None, description="that of the client")
    oidc_redirect_url: str = Field(default="http://localhost:8502/oauth2callback", description="as registered there")

    @property
    def data_dir(self) -> Path:
        return self.data or self.root / "data"

    @property
    def storage_dir(self) -> Path:
        return place(self.storage) if self.storage else self.data_dir

    @property
    def images_dir(self) -> Path:
        return self.storage_dir / "images"

    @property
    def runs_dir(self) -> Path:
        return self.storage_dir / "runs"

    @property
    def reports_dir(self) -> Path:
        return self.reports or self.root / "reports"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'evalkit.db'}"

    def environment(self) -> dict[str, str]:
        """The environment of a process that shall have these settings, whatever this one was started with."""
        told = {f"EVALKIT_{name.upper()}": _as_text(value) for name, value in self if value is not None}
        return {name: value for name, value in os.environ.items() if not name.startswith("EVALKIT_")} | told


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings, read once per process."""
    return Settings()


def without_usage_reports() -> None:
    """Ray would send reports of its use to its makers; it does not, unless the environment says so."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.resolve() if isinstance(value, Path) else value)


def find_root(start: Path) -> Path:
    """The checkout: the nearest folder from `start` upwards, else the one this file lies in, that holds studies/."""
    for folder in (start, *start.parents, Path(__file__).resolve().parents[1]):
        if (folder / "studies").is_dir() and (folder / "data" / "models").is_dir():
            return folder
    raise SpecError(
        "cannot find the evalkit checkout (a folder with studies/ and data/models/)",
        where=str(start),
        hint="run inside the checkout, or set EVALKIT_ROOT",
    )
