"""CVaR of a book whose orders may still fill, before the next order goes: two bounds in O(1), and one exact pass.

`bounds.pxd` the bounds; `tail.pxd` passes over scenarios; `book.pxd` the book that both work on; `cpu.pyx` the same for
Python; `reference.py` slow and obvious. docs/decisions/0071-pretrade-cvar.md says what is proved.
"""
