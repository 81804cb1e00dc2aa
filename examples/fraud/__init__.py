"""What the fraud example is made of: a table, its columns and splits, money, models, and what is shown of them."""
