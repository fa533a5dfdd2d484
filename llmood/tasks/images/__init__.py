"""Pictures of a sample: read safely, corrupted in grades, and what stands in for one as a control."""
