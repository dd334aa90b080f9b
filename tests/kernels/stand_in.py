"""numpy in CuPy's place, with a .cu file's kernels run on the host: shows the plumbing of a gpu.py, not CuPy."""

from collections.abc import Callable
from ctypes import CDLL, memmove
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.kernels.compiled import run_on_host


class OnDevice(np.ndarray):
    """An array that is not host memory to a gpu.py's eyes: it is read by `get` and written by `set` alone."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data)

    def get(self, out: np.ndarray) -> None:
        if out.shape != self.shape or out.dtype != self.dtype:
            raise ValueError(f"get of {self.shape} {self.dtype} into {out.shape} {out.dtype}")
        out[...] = self

    def set(self, of_the_host: np.ndarray) -> None:
        if of_the_host.shape != self.shape or of_the_host.dtype != self.dtype:
            raise ValueError(f"set of {self.shape} {self.dtype} from {of_the_host.shape} {of_the_host.dtype}")
        self[...] = of_the_host


class Graph:
    """The launches of a capture; `launched` counts."""

    def __init__(self, launches: list[Callable[[], None]]) -> None:
        self.launches, self.launched = launches, 0

    def launch(self, stream: "Stream") -> None:
        self.launched += 1
        for each in self.launches:
            each()


class Stream:
    """Runs what it is given at once, or keeps it while it is captured."""

    ptr = 2

    def __init__(self, non_blocking: bool = True) -> None:
        self.captured: list[Callable[[], None]] | None = None
        self.graphs: list[Graph] = []

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def begin_capture(self) -> None:
        if self.captured is not None:
            raise RuntimeError("already capturing")
        self.captured = []

    def end_capture(self) -> Graph:
        if self.captured is None:
            raise RuntimeError("nothing is captured")
        self.graphs.append(Graph(self.captured))
        self.captured = None
        return self.graphs[-1]


def stand_in(library: CDLL, free_bytes: int = 1 << 40, multiprocessors: int = 4) -> tuple[Any, Any]:
    """What `cuda.library` gives: a CuPy of one stream, `cupy.stream`, and a module of the library's kernels."""
    stream = Stream()
    device = SimpleNamespace(attributes={"MultiProcessorCount": multiprocessors})
    cupy = SimpleNamespace(
        stream=stream,
        asarray=lambda each: np.array(each).view(OnDevice) if not isinstance(each, OnDevice) else each,
        ascontiguousarray=lambda each: np.ascontiguousarray(each).view(OnDevice),
        empty=empty,
        get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: 0),
        zeros=lambda shape: np.zeros(shape).view(OnDevice),
        stack=lambda arrays: np.stack(arrays).view(OnDevice),
        cuda=SimpleNamespace(
            get_current_stream=lambda: stream,
            Stream=lambda non_blocking: stream,
            Device=lambda: device,
            alloc_pinned_memory=bytearray,
            runtime=SimpleNamespace(
                memGetInfo=lambda: (free_bytes, free_bytes),
                memcpyAsync=copies_of(stream),
                memcpyHostToDevice=1,
                memcpyDeviceToHost=2,
            ),
        ),
    )
    return cupy, module_of(library, stream)


def module_of(library: CDLL, stream: Stream) -> Any:
    """A module of the library's kernels, each run on the host when it is launched, or when its graph is."""

    def function(name: str) -> Any:
        def launch(blocks: tuple[int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
            for each in arguments:
                if isinstance(each, np.ndarray) and not isinstance(each, OnDevice):
                    raise TypeError(f"{name} was given host memory")

            def run() -> None:
                run_on_host(getattr(library, f"{name}_on_host"), blocks[0], threads[0], arguments)

            stream.captured.append(run) if stream.captured is not None else run()

        return launch

    return SimpleNamespace(get_function=function)


def copies_of(stream: Stream) -> Callable[[int, int, int, int, int], None]:
    """cudaMemcpyAsync, made when it is called, or when its graph is launched."""

    def copy(target: int, source: int, size: int, kind: int, pointer: int) -> None:
        if kind not in (1, 2) or pointer != stream.ptr:
            raise ValueError(f"memcpyAsync of kind {kind} on stream {pointer}")

        def run() -> None:
            memmove(target, source, size)

        stream.captured.append(run) if stream.captured is not None else run()

    return copy


def empty(shape: Any, dtype: Any = np.float64) -> np.ndarray:
    return np.full(shape, np.nan if dtype is np.float64 else -1, dtype).view(OnDevice)
