"""The guard: a detector in front of a live model, over HTTP (`llmood serve`)."""
