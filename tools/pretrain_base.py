"""Pretrain the demo's base model: a small Qwen2 causal LM with a byte-level BPE tokenizer.

    python tools/pretrain_base.py --corpus corpus.jsonl.xz --exclude notes/ --out nightschool/demo/base

Three objectives on the same corpus:

1. plain next-token prediction;
2. a Markdown section followed by its own heading ("Title: ...");
3. summing up: after a passage and "Kind:" (or the like) the model predicts the words of the
   whole passage, as one distribution. A causal model has no pooled state; this puts one at the
   place where a label is read off later. Without it a probe of that place sorts the demo's notes
   far worse than one of the passage's mean state.

Lines that stand in the `--exclude` folder are taken out of the corpus first, so that a test note
is never seen. Writes config, tokenizer, fp16 safetensors and a model card. Minutes on one GPU.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

END = "<|endoftext|>"
PAD = "<|pad|>"
# Qwen2's own split and normalizer: transformers puts them in for every Qwen2 model it loads.
SPLIT = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def documents(corpus: Path, exclude: Path | None) -> list[str]:
    """The corpus texts, without any line of 40 or more characters that an excluded note holds."""
    seen: set[str] = set()
    if exclude:
        for note in exclude.rglob("*.md"):
            seen.update(
                line.strip() for line in note.read_text("utf-8").splitlines() if len(line) >= 40
            )
    texts, dropped = [], 0
    with lzma.open(corpus, "rt", encoding="utf-8") as lines:
        for line in lines:
            kept = []
            for part in json.loads(line)["text"].splitlines():
                if part.strip() in seen:
                    dropped += 1
                else:
                    kept.append(part)
            texts.append("\n".join(kept))
    print(f"{len(texts)} documents, {sum(map(len, texts))} characters, {dropped} lines excluded")
    return texts


def train_tokenizer(texts: list[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `size` entries: any text round-trips, unknown tokens do not exist."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(SPLIT, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[END, PAD],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            max_token_length=24,
        ),
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, model_max_length=1024
    )


def sections(text: str) -> Iterator[str]:
    """Each Markdown section of 100 to 2,500 characters as "Note: body, Title: heading"."""
    parts = re.split(r"^#{1,4} +(.+?)[ #]*$", text, flags=re.MULTILINE)
    for heading, body in zip(parts[1::2], parts[2::2], strict=False):
        body = re.sub(r"\n{3,}", "\n\n", body).strip()
        if 100 <= len(body) <= 2500 and 3 <= len(heading) <= 80:
            yield f"Note:\n{body}\n\nTitle: {heading.strip()}"


def packed(texts: list[str], tokenizer: PreTrainedTokenizerFast, length: int) -> torch.Tensor:
    """Token ids of all texts, end to end, cut to rows: int64 of shape (rows, length)."""
    ids: list[int] = []
    for start in range(0, len(texts), 256):
        for row in tokenizer(texts[start : start + 256])["input_ids"]:
            ids.extend(row)
            ids.append(tokenizer.eos_token_id)
    rows = len(ids) // length
    return torch.tensor(ids[: rows * length]).view(rows, length)


class Passages:
    """Endless random passages of the corpus, each with a prompt around it, and what they hold."""

    def __init__(self, texts: list[str], tokenizer: PreTrainedTokenizerFast, device: torch.device):
        # A part in lower case: raw notes are written so.
        versions = texts + [text.lower() for text in texts[::2]]
        encoded = [
            tokenizer(versions[i : i + 256])["input_ids"] for i in range(0, len(versions), 256)
        ]
        ids = [row for part in encoded for row in part if len(row) > 300]
        self._tokens = torch.tensor([token for row in ids for token in row])
        counts = torch.bincount(self._tokens, minlength=len(tokenizer)).float() + 1
        # Between raw counts and full idf: style is in the frequent words, topic in the rare ones.
        self._weight = (counts.sum() / counts).log().clamp(min=1.0).to(device)
        self._prefix = tokenizer("Note:\n")["input_ids"]
        names = ("Kind", "Kind", "Type", "Topic", "Label")
        self._suffixes = [tokenizer(f"\n\n{name}:")["input_ids"] for name in names]
        self._pad = tokenizer.pad_token_id
        self._device = device

    def batch(self, rows: int, longest: int = 256) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Left-padded model inputs of `rows` passages, and their word distributions (rows, vocabulary)."""
        columns = len(self._prefix) + longest + max(map(len, self._suffixes))
        inputs = torch.full((rows, columns), self._pad)
        mask = torch.zeros((rows, columns), dtype=torch.long)
        lengths = torch.randint(20, longest + 1, (rows,))
        places = torch.randint(len(self._tokens) - longest, (rows, 1)) + torch.arange(longest)
        passages = self._tokens[places]
        for row, length in enumerate(lengths.tolist()):
            suffix = self._suffixes[int(torch.randint(len(self._suffixes), ()))]
            whole = torch.tensor([*self._prefix, *passages[row, :length].tolist(), *suffix])
            inputs[row, columns - len(whole) :] = whole
            mask[row, columns - len(whole) :] = 1
        inside = (torch.arange(longest) < lengths[:, None]).float().to(self._device)
        target = torch.zeros((rows, len(self._weight)), device=self._device)
        target.scatter_add_(1, passages.to(self._device), inside)
        target = target.sqrt() * self._weight
        model_inputs = {
            "input_ids": inputs.to(self._device),
            "attention_mask": mask.to(self._device),
            "position_ids": (mask.cumsum(1) - 1).clamp(min=0).to(self._device),
        }
        return model_inputs, target / target.sum(1, keepdim=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--exclude", type=Path, help="notes that the model must not have seen")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=20.0)
    parser.add_argument("--batch", type=int, default=48, help="sequences a step")
    parser.add_argument("--length", type=int, default=512, help="tokens a sequence")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--summing-up", type=float, default=0.5, help="weight of that objective")
    parser.add_argument("--passages", type=int, default=96, help="passages a step for it")
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    texts = documents(arguments.corpus, arguments.exclude)
    order = torch.randperm(len(texts)).tolist()
    held_out = [texts[i] for i in order[: len(texts) // 50]]
    kept = [texts[i] for i in order[len(texts) // 50 :]]
    tokenizer = train_tokenizer(kept, arguments.vocabulary)
    titled = [section for text in kept for section in sections(text)]
    print(f"{len(titled)} sections with their heading")
    plain = packed(kept, tokenizer, arguments.length)
    tail = packed(titled, tokenizer, arguments.length)
    rows = torch.cat([plain, tail])
    validation = packed(held_out, tokenizer, arguments.length)
    print(f"{plain.numel()} plain and {tail.numel()} titled tokens, {validation.numel()} held out")

    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=arguments.hidden,
        intermediate_size=arguments.hidden * 11 // 4,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.hidden // 64,
        num_key_value_heads=arguments.hidden // 128,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        attention_dropout=arguments.dropout,
        initializer_range=0.02,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen2ForCausalLM(config).to(device)  # type: ignore[arg-type]
    parameters = sum(p.numel() for p in model.parameters())
    decayed = [p for p in model.parameters() if p.ndim == 2]
    other = [p for p in model.parameters() if p.ndim != 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": arguments.weight_decay},
            {"params": other, "weight_decay": 0.0},
        ],
        lr=arguments.lr,
        betas=(0.9, 0.95),
        fused=device.type == "cuda",
    )
    steps = int(arguments.epochs * len(rows) / arguments.batch)
    print(f"{parameters} parameters, {steps} steps on {device}")

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        losses = []
        for start in range(0, len(validation), arguments.batch):
            ids = validation[start : start + arguments.batch].to(device)
            with torch.autocast(device.type, torch.bfloat16):
                losses.append(model(input_ids=ids, labels=ids).loss.item())
        model.train()
        return float(sum(losses) / len(losses))

    began = time.monotonic()
    passages = Passages(kept, tokenizer, device)
    shuffled = torch.randperm(len(rows))
    cursor = 0
    model.train()
    for step in range(1, steps + 1):
        share = step / steps
        rate = (
            arguments.lr
            * min(1.0, step / 100)
            * (0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        if cursor + arguments.batch > len(shuffled):
            shuffled, cursor = torch.randperm(len(rows)), 0
        ids = rows[shuffled[cursor : cursor + arguments.batch]].to(device, non_blocking=True)
        cursor += arguments.batch
        with torch.autocast(device.type, torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        inputs, target = passages.batch(arguments.passages)
        with torch.autocast(device.type, torch.bfloat16):
            logits = model(**inputs, logits_to_keep=1).logits[:, -1].float()
        summing = torch.nn.functional.cross_entropy(logits, target)
        (arguments.summing_up * summing).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % max(1, steps // 20) == 0 or step == steps:
            current = validate()
            print(
                f"step {step}/{steps} train {loss.item():.3f} validation {current:.3f} "
                f"summing up {summing.item():.3f} "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )

    model.config.attention_dropout = 0.0
    model.to("cpu", torch.float16).save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    seen = steps * arguments.batch * arguments.length
    card = f"""# nightschool demo base

A Qwen2-architecture causal language model of {parameters / 1e6:.1f} million parameters
({arguments.layers} layers, hidden size {arguments.hidden}), with {len(tokenizer)} byte-level BPE
entries for English and Japanese, in fp16. It is the base that `nightschool demo` fine-tunes, so
that the real path (NF4, LoRA,
label scoring) learns something real on a CPU in minutes. It is no general-purpose model.

- Data: {sum(map(len, texts)) / 1e6:.1f} million characters of public English and Japanese technical prose
  (documentation, handbooks, books, meeting minutes), and {len(titled)} of its sections followed by
  their headings. Every line of 40 or more characters that stands in the benchmark notes was
  taken out. After random passages and "Kind:" it also learned to predict the passage's words.
- Training: {steps} steps of {arguments.batch} x {arguments.length} tokens ({seen / 1e6:.0f} million tokens,
  {arguments.epochs:g} epochs) beside {arguments.passages} passages a step, AdamW, learning rate
  {arguments.lr:g} with a cosine, bf16 autocast, seed {arguments.seed}.
- Validation loss: {current:.3f} nats a token on 2 % of the documents, held out.
- Made by `tools/pretrain_base.py`.
"""
    reloaded = AutoTokenizer.from_pretrained(arguments.out)
    if reloaded(held_out)["input_ids"] != tokenizer(held_out)["input_ids"]:
        raise SystemExit("the tokenizer does not survive saving: its ids differ when loaded again")
    (arguments.out / "README.md").write_text(card, encoding="utf-8", newline="\n")
    print(f"validation {current:.3f}, written to {arguments.out}")


if __name__ == "__main__":
    main()
