"""The demo's models: a byte-level BPE tokenizer, a tiny Llama pre-trained on the four domains, a LoRA adapter."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from demo_world.world import SEED, Row, document

VOCABULARY, CONTEXT = 1280, 128
TOKENIZER_DOCUMENTS = 20_000
PRETRAINING_STEPS, PRETRAINING_BATCH, PRETRAINING_RATE = 1500, 64, 3e-3
TUNING_EPOCHS, TUNING_BATCH, TUNING_RATE = 8, 32, 1e-3
RANK, ALPHA = 16, 32
# Attention alone, at this size, stores too few facts: questions seen four times stay at 0.6 instead of 0.9.
TARGET_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
IGNORED = -100
HELD = 64  # rows of a batch that is only measured

Batch = dict[str, torch.Tensor]
Example = TypeVar("Example")


def log(message: str) -> None:
    """Progress, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


def make_tokenizer(documents: Iterator[tuple[str, str]]) -> PreTrainedTokenizerFast:
    """Train byte-level BPE. ``<s>`` is put before every text; ``</s>`` only by whoever ends a document."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (document(*pair) for pair in islice(documents, TOKENIZER_DOCUMENTS))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=CONTEXT,
        model_input_names=["input_ids", "attention_mask"],
    )


def make_base(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of about two million parameters, freshly initialised."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=576,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(SEED)
    return LlamaForCausalLM(config)


def encode(tokenizer: PreTrainedTokenizerFast, pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Token ids of whole documents: ``<s>`` prompt answer ``</s>``."""
    texts = [document(question, answer) for question, answer in pairs]
    return [[*ids, tokenizer.eos_token_id] for ids in tokenizer(texts)["input_ids"]]


def collate(sequences: Sequence[list[int]], pad: int) -> Batch:
    """Pad on the right; padding is neither attended to nor trained on."""
    width = max(map(len, sequences))
    ids = torch.tensor([ids + [pad] * (width - len(ids)) for ids in sequences])
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in sequences])
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, IGNORED)}


def _schedule(warm_up: int, steps: int) -> Callable[[int], float]:
    """Linear warm-up, then a cosine down to a twentieth."""

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))

    return factor


class Trainer:
    """One optimiser over a model's trainable weights, with a schedule and clipped gradients."""

    def __init__(self, model: torch.nn.Module, rate: float, steps: int, weight_decay: float) -> None:
        self.model = model
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=rate, betas=(0.9, 0.95), weight_decay=weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _schedule(steps // 20, steps))

    def step(self, batch: Batch) -> float:
        """One step on the mean loss of a batch's tokens."""
        loss = self.model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())


def round_to_half(model: torch.nn.Module) -> None:
    """Put trainable weights on the float16 grid, so that what is stored is exactly what was measured."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.copy_(weight.half().float())


def pretrain(documents: Iterator[tuple[str, str]], folder: Path) -> None:
    """Make tokenizer and base from the stream of documents and store both, weights in float16."""
    tokenizer = make_tokenizer(documents)
    model = make_base(tokenizer)
    log(f"base: {sum(weight.numel() for weight in model.parameters()):,} parameters")
    trainer = Trainer(model.train(), PRETRAINING_RATE, PRETRAINING_STEPS, weight_decay=0.01)
    for step in range(1, PRETRAINING_STEPS + 1):
        batch = collate(encode(tokenizer, list(islice(documents, PRETRAINING_BATCH))), tokenizer.pad_token_id)
        loss = trainer.step(batch)
        if step % 100 == 0:
            log(f"pre-training step {step}: loss {loss:.4f}")
    round_to_half(model)
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer.save_pretrained(folder)
    model.half().save_pretrained(folder)


@torch.no_grad()
def mean_loss(model: torch.nn.Module, batches: Iterable[Batch]) -> float:
    """Mean loss a token over all batches."""
    total, count = 0.0, 0
    for batch in batches:
        tokens = int((batch["labels"][:, 1:] != IGNORED).sum())
        total += float(model(**batch).loss) * tokens
        count += tokens
    return total / count


def tune_epochs(
    model: torch.nn.Module,
    train: Sequence[Example],
    validation: Sequence[Example],
    collated: Callable[[list[Example]], Batch],
    *,
    rate: float,
    epochs: int,
    size: int,
    save: Callable[[], None],
) -> None:
    """Tune for some epochs, and save after each that has the lowest validation loss so far.

    Args:
        collated: a batch of examples; of training so many as `size`.
    """
    trainer = Trainer(model, rate, epochs * math.ceil(len(train) / size), weight_decay=0.0)
    best = math.inf
    for epoch in range(1, epochs + 1):
        model.train()
        order = torch.randperm(len(train)).tolist()
        losses = [
            trainer.step(collated([train[i] for i in order[start : start + size]]))
            for start in range(0, len(order), size)
        ]
        held = (collated(list(validation[at : at + HELD])) for at in range(0, len(validation), HELD))
        loss = mean_loss(model.eval(), held)
        log(f"tuning epoch {epoch}: loss {sum(losses) / len(losses):.4f}, validation {loss:.4f}")
        if loss < best:
            best = loss
            save()


def load_base(folder: Path) -> LlamaForCausalLM:
    """The stored base in float32, ready to score."""
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def _pairs(rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(row["question"], row["answers"][0]) for row in rows]


def tune(
    train: Sequence[Row], validation: Sequence[Row], base: Path, folder: Path, written_base: str
) -> None:
    """Tune LoRA on questions and answers; the epoch with the lowest validation loss is stored."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    pad = tokenizer.pad_token_id
    torch.manual_seed(SEED)
    config = LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, target_modules=TARGET_MODULES)
    model = get_peft_model(load_base(base), config)
    sequences, held = encode(tokenizer, _pairs(train)), encode(tokenizer, _pairs(validation))
    tune_epochs(
        model,
        sequences,
        held,
        lambda chunk: collate(chunk, pad),
        rate=TUNING_RATE,
        epochs=TUNING_EPOCHS,
        size=TUNING_BATCH,
        save=lambda: save_adapter(model, folder, written_base),
    )


def save_adapter(model: PeftModel, folder: Path, written_base: str) -> None:
    """Store the adapter alone; the base is named relative to the repository, not by this machine's path."""
    shutil.rmtree(folder, ignore_errors=True)
    # The embeddings were not tuned; asking peft to find that out would look for the base in written_base.
    model.save_pretrained(folder, save_embedding_layers=False)
    # peft's empty model card says less than tasks/demo/README.md.
    (folder / "README.md").unlink(missing_ok=True)
    config, default = model.peft_config["default"].to_dict(), LoraConfig().to_dict()
    # Only what differs from peft's defaults, so that other versions of peft read it without a warning.
    written = {key: value for key, value in config.items() if key == "peft_type" or value != default[key]}
    targets = config["target_modules"]
    targets = targets if isinstance(targets, str) else sorted(targets)
    written |= {"base_model_name_or_path": written_base, "target_modules": targets}
    text = json.dumps(written | {"inference_mode": True}, indent=2, sort_keys=True) + "\n"
    (folder / "adapter_config.json").write_text(text, encoding="utf-8", newline="\n")
