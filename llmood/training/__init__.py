"""Tuning of LoRA adapters: texts in, an adapter and its card out."""
