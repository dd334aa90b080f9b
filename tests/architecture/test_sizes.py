"""Files under 400 lines, functions under 50 (70 in a kernel), lines at most 120 characters (ruff, cython-lint)."""

from tests.architecture.tree import PROJECT, functions, sources

FILE_LINES = 400
FUNCTION_LINES = 50
KERNEL_FUNCTION_LINES = 70
EVERYTHING = ("ipc", "kernels", "models", "engine", "tests", "benchmarks", "examples")


def test_files_are_short_enough_to_read() -> None:
    long = {
        str(path): lines
        for path in sources(*EVERYTHING)
        if (lines := (PROJECT / path).read_text().count("\n")) >= FILE_LINES
    }
    assert long == {}


def test_functions_fit_a_screen() -> None:
    long = [
        f"{path}:{line} {name} {lines}"
        for path in sources(*EVERYTHING)
        if path.suffix in (".py", ".pyx")
        for name, line, lines in functions(path)
        if lines >= (KERNEL_FUNCTION_LINES if path.parts[0] == "kernels" else FUNCTION_LINES)
    ]
    assert long == []
