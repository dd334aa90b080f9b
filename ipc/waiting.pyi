SPIN: int
YIELD: int
BLOCK: int
BRIEF: int
NAMES: dict[int, str]

def choose(spinners: int) -> int:
    """SPIN if this process may use at least `spinners` + 2 cores, else YIELD. Cold consumers always use BLOCK."""
