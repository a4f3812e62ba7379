"""The settings of a school, as models.

Order of precedence: the model's defaults, then the preset's values, then `nightschool.toml`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator

from nightschool.config.kind_settings import KindSettings, ambiguous_name
from nightschool.config.night_settings import NightSettings as NightSettings
from nightschool.config.notes_settings import NotesSettings as NotesSettings
from nightschool.config.secret_url import SecretUrl
from nightschool.config.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class SplitSettings(Section):
    """Splits of the labelled notes. A note keeps its split for all later runs."""

    test: Share = Field(0.2, description="share of the notes for evaluation, never trained on")
    validation: Share = Field(0.1, description="share of the notes for validation during training")
    seed: int = Field(0, ge=0, description="random seed for assigning new notes to splits")
    same_source: bool = Field(
        True, description="whether all notes of one file or source share a split"
    )

    @model_validator(mode="after")
    def _check_training_share(self) -> SplitSettings:
        if self.test + self.validation > 0.8:
            raise ValueError(
                "test + validation leave less than 20 % of the notes for training: lower one of them"
            )
        return self


class PromptSettings(Section):
    """The prompt, the same before and after training."""

    instructions: str = Field(
        "Sort the note into one kind. Answer with the kind alone.",
        description="instructions for base models with a chat template",
    )


class TrainSettings(Section):
    """The QLoRA recipe. With 0 or "auto" the program chooses, and prints its choice with the reason."""

    epochs: float = Field(3.0, gt=0, description="passes over the training notes")
    patience: int = Field(
        2,
        ge=0,
        description="epochs without a better validation loss before training ends; 0: never",
    )
    learning_rate: float = Field(2e-4, gt=0, lt=1, description="peak learning rate")
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="shape of the learning rate over time"
    )
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the optimizer steps that warm up")
    balance: Literal["logit_adjustment", "class_weights", "none"] = Field(
        "logit_adjustment", description="compensation for kinds with few notes"
    )
    roughen: float = Field(
        0.0, ge=0, le=1, description="share of the training notes that also get a roughened copy"
    )
    effective_batch: int = Field(8, gt=0, description="notes per optimizer step")
    token_budget: int = Field(
        0, ge=0, description="tokens per micro-batch; 0: as many as are useful and fit into memory"
    )
    max_tokens: int = Field(
        1024, ge=16, description="maximum tokens per note; longer notes are cut after a sentence"
    )
    lora_r: int = Field(16, gt=0, description="rank of the adapter")
    lora_alpha: int = Field(32, gt=0, description="scale of the adapter (alpha / r)")
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="dropout on the adapter's input")
    lora_targets: list[str] = Field(
        [], description='linear layers that get an adapter, such as ["q_proj", "v_proj"]; []: all'
    )
    optimizer: Literal["paged_adamw_8bit", "adamw_8bit", "adamw"] = Field(
        "paged_adamw_8bit", description="optimizer; 8-bit states save memory, paged ones need CUDA"
    )
    weight_decay: float = Field(0.0, ge=0, lt=1, description="weight decay of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, description="norm to which gradients are clipped")
    quantisation: Literal["nf4", "none"] = Field(
        "nf4", description="quantisation of the frozen base model"
    )
    precision: Literal["auto", "fp16", "bf16", "fp32"] = Field(
        "auto", description="floating-point format; auto: by the device's compute capability"
    )
    activation_checkpointing: Literal["auto", "all", "none"] = Field(
        "auto", description="layers whose activations are recomputed; auto: as memory requires"
    )
    memory_gb: float = Field(0.0, ge=0, description="maximum GPU memory in GB; 0: all that is free")
    exact: bool = Field(
        True, description="bit-exact resume; false allows non-deterministic kernels"
    )
    checkpoint_minutes: float = Field(
        5.0, ge=0, description="maximum minutes of work that an interruption loses"
    )
    chunk_minutes: float = Field(30.0, ge=0, description="minutes of training per process")
    quick_minutes: float = Field(
        0.0,
        ge=0,
        description="time limit of the whole run in minutes, set by `run --quick`; 0: none",
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="device to train on")
    threads: int = Field(0, ge=0, description="CPU threads; 0: one per core")
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="random seed for the adapter's initial weights, note order and dropout",
    )
    seeds: int = Field(
        1,
        ge=1,
        le=20,
        description="trainings per run, each with its own seed, to show the variance",
    )


LadderArm = Literal[
    "majority", "tfidf-lr", "features-lr", "embeddings-lr", "zero-shot", "few-shot", "server"
]


class LadderSettings(Section):
    """Comparison arms of the report, all on the same test notes."""

    arms: list[LadderArm] = Field(list(get_args(LadderArm)), description="arms to measure")
    embeddings: str = Field(
        "",
        description="folder of a sentence-embedding model for embeddings-lr, relative to this file",
    )


_URL_EXAMPLE = 'write it like "http://127.0.0.1:11434/v1"'


class ServerSettings(Section):
    """A general-purpose model to compare with, behind an OpenAI-compatible server."""

    url: str = Field(
        "", description='address, such as "http://127.0.0.1:11434/v1" (Ollama); "": no comparison'
    )
    model: str = Field("", description="name of the model on that server")
    timeout_s: float = Field(120.0, gt=0, le=3600, description="maximum seconds per answer")
    api_key_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="environment variable that holds the API key, if the server needs one",
    )
    allow_remote: bool = Field(
        False, description="whether url may be another computer, to which your notes are then sent"
    )

    @model_validator(mode="after")
    def _check_server(self) -> ServerSettings:
        if not self.url:
            return self
        try:
            url = urlsplit(self.url)
            host, _ = url.hostname, url.port
        except ValueError:
            raise ValueError(f"url is not a valid address: {_URL_EXAMPLE}") from None
        if url.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f]", self.url):
            raise ValueError(f"url is not an HTTP address: {_URL_EXAMPLE}")
        if url.username is not None or url.query or url.fragment:
            raise ValueError(
                "url holds more than scheme, host, port and path: put a key into the environment variable "
                "that api_key_env names"
            )
        if not self.model:
            raise ValueError("model is not set: name the model that the server should use")
        if not self.allow_remote and host != "localhost" and not is_loopback(host):
            raise ValueError(
                f"url would send your notes to another computer ({host}): use 127.0.0.1, or set "
                "allow_remote = true to allow it"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether an IP address is a loopback address (127.0.0.0/8, ::1)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class RetrainSettings(Section):
    """Runs that are queued automatically as notes accumulate. Off unless one of these is set."""

    every: str = Field(
        "", description='interval, such as "weekly" or "14d", if any note is new; "": off'
    )
    min_new: int = Field(
        0,
        ge=0,
        description="number of new or changed labelled notes that queues a run; 0: off",
    )

    @field_validator("every")
    @classmethod
    def _check_interval(cls, value: str) -> str:
        if value not in ("", "daily", "weekly") and not re.fullmatch("[1-9][0-9]{0,3}d", value):
            raise ValueError('expected "daily", "weekly", a number of days such as "14d", or ""')
        return value

    @property
    def on(self) -> bool:
        """Whether runs are queued automatically."""
        return bool(self.every or self.min_new)

    @property
    def every_s(self) -> float:
        """The interval `every` in seconds; 0: off."""
        days = {"": "0d", "daily": "1d", "weekly": "7d"}.get(self.every, self.every)
        return 86400.0 * int(days.removesuffix("d"))


class DecideSettings(Section):
    """Conditions under which a new model replaces the one in use."""

    confidence: float = Field(0.95, ge=0.5, lt=1, description="required probability of improvement")
    margin: float = Field(0.05, ge=0, lt=1, description="largest acceptable loss of macro-F1")


class StorageSettings(Section):
    """What stays on the disk. Results, reports, and models that can be rolled back to always stay."""

    keep_runs: int = Field(
        10,
        ge=0,
        description="ended runs that keep their model, dataset and checkpoints; 0: all",
    )


class MorningSettings(Section):
    """What happens when a night ends."""

    notify: bool = Field(True, description="whether to show the result as a desktop notification")


class ClassifySettings(Section):
    """Answers of `classify` when the model is unsure."""

    abstain: bool = Field(
        False,
        description='whether to answer "none" below the threshold found on the validation notes',
    )
    unsorted_cost: float = Field(
        0.5, gt=0, le=1, description="cost of an unsorted note, relative to 1 for a wrong kind"
    )


class Settings(Section):
    """A school's settings."""

    preset: Literal["rtx-8gb", "cpu-demo"] = Field(
        "rtx-8gb", description="values for the settings that are not set here"
    )
    base: str = Field(
        "Qwen/Qwen2.5-3B-Instruct",
        min_length=1,
        description='hub name or folder of a causal language model; "demo": the small model included',
    )
    queue: SecretUrl = Field(
        SecretUrl("sqlite"),
        description='message queue: "sqlite" or "redis://host:port/db"',
    )
    notes: NotesSettings = NotesSettings()
    split: SplitSettings = SplitSettings()
    kinds: dict[str, KindSettings] = Field(
        {},
        description="The kinds; if any is listed, no others exist. Each has its meaning, for base models "
        'with a chat template: lesson = "learned the hard way", or a table: lesson = { meaning = "...", '
        'aliases = ["Lessons"] }',
    )
    prompt: PromptSettings = PromptSettings()
    train: TrainSettings = TrainSettings()
    decide: DecideSettings = DecideSettings()
    morning: MorningSettings = MorningSettings()
    classify: ClassifySettings = ClassifySettings()
    ladder: LadderSettings = LadderSettings()
    server: ServerSettings = ServerSettings()
    night: NightSettings = NightSettings()
    retrain: RetrainSettings = RetrainSettings()
    storage: StorageSettings = StorageSettings()

    @field_validator("queue")
    @classmethod
    def _check_queue(cls, value: SecretUrl) -> SecretUrl:
        try:
            url, _ = urlsplit(value.reveal()), urlsplit(value.reveal()).port
            usable = url.scheme in ("redis", "rediss") and bool(url.hostname)
            usable = usable and not re.search(r"\s", value.reveal())
        except ValueError:
            usable = False
        if value.reveal() != "sqlite" and not usable:
            # The value stays out of the message: it may hold a password.
            raise ValueError(
                'expected "sqlite" or "redis://host:port/db"; write special characters of a password as '
                "%2F and the like"
            )
        return value

    @field_validator("kinds")
    @classmethod
    def _check_names(cls, kinds: dict[str, KindSettings]) -> dict[str, KindSettings]:
        if problem := ambiguous_name(kinds):
            raise ValueError(problem)
        return kinds

    @property
    def meanings(self) -> dict[str, str]:
        """The meaning of each kind."""
        return {kind: settings.meaning for kind, settings in self.kinds.items()}

    def with_train(self, **changes: object) -> Settings:
        """A copy with some values of [train] changed."""
        return self.model_copy(update={"train": self.train.model_copy(update=changes)})


def recorded(values: Mapping[str, Any]) -> Settings:
    """The settings stored with a run or a model, without settings that this version no longer has."""

    def known(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, field in model.model_fields.items():
            if key in given:
                kind = field.annotation
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    kept[key] = known(kind, given[key])
                else:
                    kept[key] = given[key]
        return kept

    return Settings.model_validate(known(Settings, values))
