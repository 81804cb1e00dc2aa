"""How rows meet their experts: each implementation lays rows out in its own way, and all give the same results."""
