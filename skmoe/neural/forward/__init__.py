"""The network computed in NumPy, for predictions where there is no torch."""
