"""What a user types: one file a group of verbs; each calls a function of the part it belongs to, shows its result."""
