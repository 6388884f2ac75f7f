"""From chips to a score: networks and their device, normalisation, AUPRC, checkpoints."""
