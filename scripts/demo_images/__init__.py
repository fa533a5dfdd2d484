"""Small pictures made from one seed: shapes, colours, counts and positions, with questions and answers."""
