"""Hidden Markov and mixture models of returns, and change detection: one series is one unit of work."""
