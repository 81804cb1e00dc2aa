"""Training: records, the loop that spends sums on parameters, and where it starts."""
