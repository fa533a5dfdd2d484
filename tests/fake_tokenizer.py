"""The fake engine's tokenizer as files that transformers reads."""

from __future__ import annotations

from pathlib import Path

from llmood.engines.fake_model import BEGIN, END, FIRST_BYTE


def save_fake_tokenizer(folder: Path) -> Path:
    """The fake engine's tokenizer as files: the same ids for every text, chats included."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(vocab={"<s>": BEGIN, "</s>": END, **_bytes()}, merges=[]))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("<s>", "</s>")])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BEGIN)])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    wrapped.chat_template = (
        "<s>{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant] "
    )
    wrapped.save_pretrained(folder)
    return folder


def _bytes() -> dict[str, int]:
    """Each byte's stand-in character with the fake engine's id of that byte."""
    kept = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in kept]
    characters = {byte: chr(byte) for byte in kept} | {byte: chr(256 + n) for n, byte in enumerate(moved)}
    return {characters[byte]: byte + FIRST_BYTE for byte in range(256)}
