"""Loaded models: the modules that import torch, imported only when one is to be loaded."""
