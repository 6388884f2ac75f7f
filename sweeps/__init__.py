"""The ablation, its Tune trial, and the sweeps that build on them."""
