"""What runs a model, and the store of what it gave."""
