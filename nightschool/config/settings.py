"""The settings of a school, as models.

Order of precedence: the model's defaults, then the preset's values, then `nightschool.toml`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator

from nightschool.config.night_settings import NightSettings as NightSettings
from nightschool.config.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class NotesSettings(Section):
    """Where the notes are and how they are read."""

    folder: str = Field(
        "notes", min_length=1, description="folder, .jsonl or .csv file; relative to this file"
    )
    text_column: str = Field("text", description="JSONL and CSV: the column with the note")
    label_column: str = Field("label", description="JSONL and CSV: the column with its kind")
    group_column: str = Field(
        "", description='JSONL and CSV: the column that says what a note was taken from; "": none'
    )
    max_bytes: int = Field(1_000_000, gt=0, description="larger notes are skipped and counted")
    kind_from: list[Literal["kind", "type", "folder", "tags"]] = Field(
        ["kind", "type", "folder", "tags"],
        min_length=1,
        description="what may name a note's kind; the first that does counts",
    )
    split: Literal["file", "headings"] = Field(
        "file", description="a note a file, or a note a heading"
    )
    heading_level: int = Field(
        2, ge=1, le=6, description="headings of this level or above begin a note (1: #, 2: ##)"
    )
    none: str = Field(
        "",
        description='the kind that means "none of the above"; "": one named none, other, なし ...',
    )


class SplitSettings(Section):
    """How the labelled notes are divided. A note never changes sides once it has one."""

    test: Share = Field(0.2, description="share kept for measuring, never trained on")
    validation: Share = Field(0.1, description="share watched while training")
    seed: int = Field(0, ge=0, description="another number deals new notes differently")
    same_source: bool = Field(
        True, description="notes of one file or source stand on one side; false: where they fall"
    )

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> SplitSettings:
        if self.test + self.validation > 0.8:
            raise ValueError("test + validation leave less than 20 % to train on")
        return self


class PromptSettings(Section):
    """What the model is asked, the same before and after."""

    instructions: str = Field(
        "Sort the note into one kind. Answer with the kind alone.",
        description="said to models that take instructions (those with a chat template)",
    )


class TrainSettings(Section):
    """The QLoRA recipe. 0 or "auto" lets the program choose; it prints its choice and why."""

    epochs: float = Field(3.0, gt=0, description="passes over the training notes")
    patience: int = Field(
        2, ge=0, description="epochs without a better validation loss that end training; 0: never"
    )
    learning_rate: float = Field(2e-4, gt=0, lt=1, description="peak learning rate")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="its shape")
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the steps that warm up")
    balance: Literal["logit_adjustment", "class_weights", "none"] = Field(
        "logit_adjustment", description="how kinds with few notes hold their own"
    )
    roughen: float = Field(
        0.0, ge=0, le=1, description="share of the training notes that also stand there roughened"
    )
    effective_batch: int = Field(8, gt=0, description="notes an optimizer step")
    token_budget: int = Field(
        0, ge=0, description="tokens a forward pass; 0: as many as the memory holds and pay"
    )
    max_tokens: int = Field(
        1024, ge=16, description="tokens a note; a longer one is cut after a sentence"
    )
    lora_r: int = Field(16, gt=0, description="rank of the adapter")
    lora_alpha: int = Field(32, gt=0, description="its scale: alpha / r")
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="dropout on the adapter's input")
    lora_targets: list[str] = Field(
        [], description='linear layers that get an adapter, as ["q_proj", "v_proj"]; []: all'
    )
    optimizer: Literal["paged_adamw_8bit", "adamw_8bit", "adamw"] = Field(
        "paged_adamw_8bit", description="8-bit states save memory; paged needs CUDA"
    )
    weight_decay: float = Field(0.0, ge=0, lt=1, description="AdamW's")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    quantisation: Literal["nf4", "none"] = Field(
        "nf4", description="the frozen base: 4 bits, or as it is"
    )
    precision: Literal["auto", "fp16", "bf16", "fp32"] = Field(
        "auto", description="from the device's compute capability"
    )
    activation_checkpointing: Literal["auto", "all", "none"] = Field(
        "auto", description="layers whose activations are recomputed: as many as memory needs"
    )
    memory_gb: float = Field(0.0, ge=0, description="GPU memory to use at most; 0: what is free")
    exact: bool = Field(
        True, description="bit-exact resume; false allows kernels that add in any order"
    )
    checkpoint_minutes: float = Field(5.0, ge=0, description="at most this much work is ever lost")
    chunk_minutes: float = Field(
        30.0, ge=0, description="a training process ends after this, and the next goes on"
    )
    quick_minutes: float = Field(
        0.0, ge=0, description="`run --quick` sets it: the whole run fits into these; 0: no limit"
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="where to train")
    threads: int = Field(0, ge=0, description="CPU threads; 0: as many as there are cores")
    seed: int = Field(
        0, ge=0, lt=2**32, description="of the adapter's first weights, the order and the dropout"
    )
    seeds: int = Field(
        1, ge=1, le=20, description="trainings a run, each with the next seed, to see their spread"
    )


Rung = Literal[
    "majority", "tfidf-lr", "features-lr", "embeddings-lr", "zero-shot", "few-shot", "server"
]


class LadderSettings(Section):
    """What the report compares the model with, all on the same test notes."""

    arms: list[Rung] = Field(list(get_args(Rung)), description="those that are measured")
    embeddings: str = Field(
        "", description="embeddings-lr: folder of a sentence-embedding model; relative to this file"
    )


class ServerSettings(Section):
    """The general-purpose model that notes are sent to today, behind an OpenAI-compatible server."""

    url: str = Field("", description='as "http://127.0.0.1:11434/v1" (Ollama); "": none is asked')
    model: str = Field("", description="its name there")
    timeout_s: float = Field(120.0, gt=0, le=3600, description="seconds to wait for one answer")
    api_key_env: str = Field(
        "", description="environment variable with its key, where it wants one"
    )
    allow_remote: bool = Field(
        False, description="true sends your notes to another computer, if url names one"
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> ServerSettings:
        if not self.url:
            return self
        try:
            url = urlsplit(self.url)
            host, _ = url.hostname, url.port
        except ValueError as error:
            raise ValueError(
                f"url = {json.dumps(self.url, ensure_ascii=False)} is no address: {error}"
            ) from None
        if url.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f]", self.url):
            raise ValueError(
                f'url = {json.dumps(self.url, ensure_ascii=False)}: expected one like "http://127.0.0.1:11434/v1"'
            )
        if url.username is not None or url.query or url.fragment:
            raise ValueError(
                "url holds more than scheme, host, port and path: a key goes to api_key_env"
            )
        if not self.model:
            raise ValueError("model is not set: name the one that the server shall answer with")
        if not self.allow_remote and host != "localhost" and not is_loopback(host):
            raise ValueError(
                f"url names another computer ({host}), and your notes would be sent there: "
                "use 127.0.0.1, or write allow_remote = true if you want that"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether an address is this computer's own (127.0.0.0/8, ::1)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class RetrainSettings(Section):
    """When a run is queued by itself for the night, as notes accumulate. Off where neither is set."""

    every: str = Field(
        "", description='as "weekly" or "14d": after so long, where any note is new; "": never'
    )
    min_new: int = Field(
        0,
        ge=0,
        description="after so many new or changed labelled notes; 0: their number is no reason",
    )

    @field_validator("every")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        if value not in ("", "daily", "weekly") and not re.fullmatch("[1-9][0-9]{0,3}d", value):
            raise ValueError('expected "daily", "weekly", days as "14d", or ""')
        return value

    @property
    def on(self) -> bool:
        return bool(self.every or self.min_new)

    @property
    def every_s(self) -> float:
        """Seconds of `every`; 0: never."""
        days = {"": "0d", "daily": "1d", "weekly": "7d"}.get(self.every, self.every)
        return 86400.0 * int(days.removesuffix("d"))


class DecideSettings(Section):
    """When the night's model replaces the one in use."""

    confidence: float = Field(
        0.95, ge=0.5, lt=1, description="how probable it has to be that it is better"
    )
    margin: float = Field(
        0.05, ge=0, lt=1, description="macro-F1 that it must surely not lose more of than this"
    )


class MorningSettings(Section):
    """What happens when a night is over."""

    notify: bool = Field(
        True, description="show the result as a desktop notification, where there is a desktop"
    )


class ClassifySettings(Section):
    """How `classify` answers where the model is not sure."""

    abstain: bool = Field(
        False, description="answer none below the threshold that the validation notes gave"
    )
    unsorted_cost: float = Field(
        0.5, gt=0, le=1, description="of leaving a note unsorted, where a wrong kind costs 1"
    )


class Settings(Section):
    """A school's settings."""

    preset: Literal["rtx-8gb", "cpu-demo"] = Field(
        "rtx-8gb", description="values for what is not set here"
    )
    base: str = Field(
        "Qwen/Qwen2.5-3B-Instruct",
        min_length=1,
        description='hub name or folder of a causal LM; "demo" is the small one that ships along',
    )
    queue: str = Field(
        "sqlite",
        pattern=r"^(sqlite|rediss?://\S+)$",
        description='"sqlite", or "redis://host:port/db"',
    )
    notes: NotesSettings = NotesSettings()
    split: SplitSettings = SplitSettings()
    kinds: dict[str, str] = Field(
        {},
        description="what each kind means, told to models that take instructions: "
        'lesson = "learned the hard way"',
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

    def with_train(self, **changes: object) -> Settings:
        """With some of the values of [train] changed."""
        return self.model_copy(update={"train": self.train.model_copy(update=changes)})


def recorded(values: Mapping[str, Any]) -> Settings:
    """Settings that a run or a model was recorded with; what this version no longer has is left out."""

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
