"""The demo world: invented facts, a tiny base model and an adapter, all made from one seed."""
