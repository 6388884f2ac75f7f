"""What a sweep needs of every machine, tried before money is spent on it."""
