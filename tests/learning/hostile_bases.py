"""Bases and adapters as somebody hostile, or a broken download, would make them: variations of a tiny real one.

A case changes a copy of the base (or of an adapter) in place. `BASES` must be refused by `check_base`,
`LATER` only by what reads it afterwards (the tokenizer, the template, the config's class, the weights), and
`ADAPTERS` by `check_adapter`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Change = Callable[[Path], object]

MARKER = "executed"
"""The file, beside a base, that code of a base writes."""


def hostile_code(folder: Path) -> str:
    return f"open({str(folder.parent / MARKER)!r}, 'w').close()\n"


def write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Changes a JSON file of the base."""

    def apply(folder: Path) -> None:
        content = json.loads((folder / name).read_text("utf-8")) if (folder / name).exists() else {}
        change(content)
        write_json(folder / name, content)

    return apply


def config(**values: object) -> Change:
    return changed("config.json", lambda content: content.update(values))


def raw(name: str, content: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(content)


def replaced(name: str, make: Callable[[Path], object]) -> Change:
    """Puts something else in the place of a file."""

    def apply(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return apply


def header(
    content: Mapping[str, object] | bytes, data: bytes = b"", size: int | None = None
) -> Change:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    start = struct.pack("<Q", len(text) if size is None else size)
    return raw("model.safetensors", start + text + data)


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    code = f"cbuiltins\nexec\n(V{hostile_code(folder).strip()}\ntR.".encode()
    (folder / "pytorch_model.bin").write_bytes(code)


def outside(name: str) -> Change:
    """A link to a copy of a file that lies beside the base."""

    def apply(folder: Path) -> None:
        shutil.move(folder / name, folder.parent / f"elsewhere-{name}")
        os.symlink(folder.parent / f"elsewhere-{name}", folder / name)

    return apply


def listen(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def sharded(weight_map: object) -> Change:
    def apply(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        write_json(folder / "model.safetensors.index.json", {"weight_map": weight_map})

    return apply


def own_code(folder: Path) -> None:
    """A base that asks to run its code."""
    (folder / "evil.py").write_text(hostile_code(folder), encoding="utf-8")
    names = {
        "AutoConfig": "evil.C",
        "AutoModelForCausalLM": "evil.M",
        "AutoTokenizer": ["evil.T", None],
    }
    config(model_type="evil", auto_map=names)(folder)
    changed("tokenizer_config.json", lambda c: c.update(auto_map=names, tokenizer_class="T"))(
        folder
    )


def template(text: object) -> Change:
    return changed("tokenizer_config.json", lambda content: content.update(chat_template=text))


def templates_in_a_folder(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "evil.jinja").write_text("{% for %}", "utf-8")


def tokens(change: Callable[[dict[str, Any]], object]) -> Change:
    return changed("tokenizer.json", change)


def regex(pattern: str) -> Change:
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    expression = tokens(lambda content: content.update(pre_tokenizer=split))

    def apply(folder: Path) -> None:
        """For a family whose class does not replace the expression by its own."""
        expression(folder)
        changed(
            "tokenizer_config.json", lambda c: c.update(tokenizer_class="PreTrainedTokenizerFast")
        )(folder)
        config(model_type="mistral")(folder)

    return apply


def adapter(**values: object) -> Change:
    return changed("adapter_config.json", lambda content: content.update(values))


DEEP = b"[" * 100_000 + b"]" * 100_000
USUAL = "{% for m in messages %}{{ m.content }}{% endfor %}"

BASES: dict[str, Change] = {
    "no config": lambda folder: (folder / "config.json").unlink(),
    "empty config": raw("config.json", b""),
    "config is a list": raw("config.json", b"[]"),
    "config nested deeply": raw("config.json", b'{"a": ' + DEEP + b"}"),
    "config not UTF-8": raw("config.json", b'{"model_type": "\xff\xfe"}'),
    "config with NUL": raw("config.json", b"\0" * 100),
    "config of 1 GB": replaced("config.json", sparse),
    "config is a FIFO": replaced("config.json", os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir),
    "config is a folder": replaced("config.json", Path.mkdir),
    "config is a socket": replaced("config.json", listen),
    "config links to a device": replaced("config.json", lambda path: os.symlink("/dev/zero", path)),
    "config links to nothing": replaced("config.json", lambda path: os.symlink("nowhere", path)),
    "config links to itself": replaced("config.json", lambda path: os.symlink(path.name, path)),
    "config links out": outside("config.json"),
    "config with a key twice": raw("config.json", b'{"model_type": "qwen2", "model_type": "llama"}'),
    "hidden size 10^12": config(hidden_size=10**12),
    "hidden size 0": config(hidden_size=0),
    "hidden size a": config(hidden_size="a"),
    "hidden size NaN": config(hidden_size=float("nan")),
    "hidden size true": config(hidden_size=True),
    "hidden size 64.5": config(hidden_size=64.5),
    "hidden size beyond the weights": config(hidden_size=65536),
    "intermediate size beyond the weights": config(intermediate_size=9_000_000),
    "layers -1": config(num_hidden_layers=-1),
    "layers 10^9": config(num_hidden_layers=10**9),
    "layers beyond the weights": config(num_hidden_layers=9999),
    "heads 0": config(num_attention_heads=0),
    "head size 10^9": config(head_dim=10**9),
    "vocabulary smaller than the tokenizer's": config(vocab_size=100),
    "vocabulary of 10^11": config(vocab_size=10**11),
    "norm's epsilon infinite": raw("config.json", b'{"model_type": "qwen2", "rms_norm_eps": 1e999}'),
    "kernels from elsewhere": config(attn_implementation="someone/kernels"),
    "weights of its own": config(transformers_weights="../elsewhere.safetensors"),
    "already quantised": config(quantization_config={"quant_method": "gptq", "bits": 4}),
    "an adapter among it": lambda folder: write_json(
        folder / "adapter_config.json", {"base_model_name_or_path": "http://127.0.0.1:9/x"}
    ),
    "pickled weights": pickled,
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "weights empty": raw("model.safetensors", b""),
    "weights truncated": lambda folder: os.truncate(folder / "model.safetensors", 5000),
    "weights are a FIFO": replaced(
        "model.safetensors", os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir
    ),
    "weights link out": outside("model.safetensors"),
    "weights are a folder": replaced("model.safetensors", Path.mkdir),
    "header of 2^63 bytes": header({}, size=2**63),
    "header of 90 MB": header({}, size=90_000_000),
    "header nested deeply": header(DEEP),
    "header not UTF-8": header(b'{"\xff": {}}'),
    "offsets overlap": header({"a": tensor([2], 0, 8), "b": tensor([2], 0, 8)}, b"\0" * 8),
    "offsets beyond the end": header({"a": tensor([1 << 40], 0, 1 << 42)}, b"\0" * 8),
    "offsets backwards": header({"a": tensor([2], 8, 0)}, b"\0" * 8),
    "negative dimension": header({"a": tensor([-2], 0, 8)}, b"\0" * 8),
    "shape that overflows": header({"a": tensor([1 << 40, 1 << 40], 0, 8)}, b"\0" * 8),
    "unknown dtype": header({"a": tensor([2], 0, 8, "X9")}, b"\0" * 8),
    "no tensors": header({}),
    "shards elsewhere": sharded({"a": "../elsewhere.safetensors"}),
    "shards at an absolute path": sharded({"a": "/etc/passwd"}),
    "shards that are pickles": sharded({"a": "pytorch_model-1.bin"}),
    "shards missing": sharded({"a": "model-1.safetensors"}),
    "shards are a list": sharded(["a"]),
    "shards with a number": sharded({"a": 7}),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "tokenizer empty": raw("tokenizer.json", b"{}"),
    "tokenizer is no JSON": raw("tokenizer.json", b"\x80\x04."),
    "tokenizer nested deeply": raw("tokenizer.json", b'{"model": ' + DEEP + b"}"),
    "tokenizer is a FIFO": replaced(
        "tokenizer.json", os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir
    ),
    "tokenizer of 1 GB": replaced("tokenizer.json", sparse),
    "tokenizer links out": outside("tokenizer.json"),
    "token of a huge number": tokens(lambda c: c["model"]["vocab"].update(huge=4_000_000_000)),
    "token of a negative number": tokens(lambda c: c["model"]["vocab"].update(negative=-1)),
    "added token of a huge number": tokens(lambda c: c["added_tokens"][0].update(id=2**62)),
    "added token beyond the model": tokens(
        lambda c: c["added_tokens"].append({"id": 4000, "content": "Buy", "special": False})
    ),
    "tokenizer's config nested deeply": raw("tokenizer_config.json", b'{"a": ' + DEEP + b"}"),
    "template of 20 MB": raw("chat_template.jinja", b"a" * 20_000_000),
    "template not UTF-8": raw("chat_template.jinja", b"\xff\xfe{{ messages }}"),
    "template is a FIFO": replaced(
        "chat_template.jinja", os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir
    ),
    "generation config is a FIFO": replaced(
        "generation_config.json", os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir
    ),
}  # fmt: skip

LATER: dict[str, Change] = {
    "asks to run its code": own_code,
    "unknown architecture": config(model_type="unheard-of"),
    "model type is a number": config(model_type=7),
    "encoder": config(model_type="bert"),
    "rope garbage": config(rope_parameters={"rope_type": "evil", "factor": "x"}, rope_scaling=[1]),
    "activation unknown": config(hidden_act="os.system"),
    "heads that do not divide": config(num_attention_heads=7),
    "layer types garbage": config(layer_types=["evil"] * 2),
    "dtype garbage": config(dtype="save"),
    "pre-tokenizer unknown": tokens(lambda c: c.update(pre_tokenizer={"type": "Evil"})),
    "exponential expression": regex("(a+)+$"),
    "expression that does not compile": regex("((("),
    "merges garbage": tokens(lambda c: c["model"].update(merges=[["x", "yz"]])),
    "tokenizer class unknown": changed(
        "tokenizer_config.json", lambda c: c.update(tokenizer_class="os.system", added_tokens_decoder=7)
    ),
    "template does not compile": template("{% for %}"),
    "template is a number": template(7),
    "template raises": template("{{ raise_exception('no') }}"),
    "template divides by zero": template("{{ 1 // 0 }}"),
    "template leaves the sandbox": template(
        USUAL + "{{ ''.__class__.__mro__[1].__subclasses__()[0].__init__.__globals__ }}"
    ),
    "template includes a file": template("{% include '/etc/passwd' %}"),
    "template drops the note": template("hello"),
    "template repeats the note": template(USUAL * 3),
    "template calls itself": template("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"),
    "template prints 2 MB": template(USUAL + "{{ 'a' * 2000000 }}"),
    "template without a default": template([{"name": "tool", "template": USUAL}]),
    "templates in a folder": templates_in_a_folder,
}  # fmt: skip

_LOOP = "{% for a in range(99999) %}"
ENDLESS: dict[str, Change] = {
    "template is endless": template(_LOOP * 3 + "{% endfor %}" * 3),
    "template computes a power": template("{% set n = messages | length %}{{ (n + 9) ** (n + 9) ** (n + 9) }}"),
    "template takes all memory": template(
        "{% set ns = namespace(a=messages[0].content * 1000000) %}"
        + _LOOP + "{% set ns.a = ns.a ~ ns.a[:100000000] %}{% endfor %}"
    ),
    "slow expression": regex(r"\S*\S*(?!.)\S\s"),
}  # fmt: skip

ADAPTERS: dict[str, Change] = {
    "no config": lambda folder: (folder / "adapter_config.json").unlink(),
    "config is a FIFO": replaced(
        "adapter_config.json", os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir
    ),
    "config nested deeply": raw("adapter_config.json", b'{"a": ' + DEEP + b"}"),
    "imports a module": adapter(megatron_config={"a": 1}, megatron_core="os"),
    "another class": adapter(auto_mapping={"base_model_class": "C", "parent_library": "evil"}),
    "another method": adapter(peft_type="PROMPT_TUNING"),
    "unknown method": adapter(peft_type="EVIL"),
    "rank 10^9": adapter(r=10**9),
    "rank -1": adapter(r=-1),
    "rank a": adapter(r="a"),
    "alpha a": adapter(lora_alpha="a"),
    "targets by an expression": adapter(target_modules="(.*.*.*.*.*.*)*x"),
    "targets garbage": adapter(target_modules=[7]),
    "modules to save": adapter(modules_to_save=["lm_head"]),
    "layers many times": adapter(layer_replication=[[0, 10**9]]),
    "an initialisation that computes": adapter(init_lora_weights="pissa"),
    "DoRA": adapter(use_dora=True),
    "ranks by name": adapter(rank_pattern={"(a+)+$": 8}),
    "another task": adapter(task_type="SEQ_CLS"),
    "pickled weights": lambda folder: os.replace(
        folder / "adapter_model.safetensors", folder / "adapter_model.bin"
    ),
    "weights empty": raw("adapter_model.safetensors", b""),
    "weights of another rank": adapter(r=4),
    "weights link out": outside("adapter_model.safetensors"),
}  # fmt: skip
