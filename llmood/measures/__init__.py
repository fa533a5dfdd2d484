"""Pure functions on arrays: the formulas that scorers are made of."""
