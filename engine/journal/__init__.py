"""The durable record of a run: every input of the core, every output, in order, from which any moment is recomputed."""
