"""One ONNX Runtime session, on the device that was asked for or not at all (extra `inference`, on a GPU `gpu`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.extras import optional

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class SessionFailed(ValueError):
    """A model that ONNX Runtime does not take, or not on the device asked for."""


class Session:
    """Evaluates feature rows. `provider`: which execution provider really runs."""

    def __init__(self, onnx_bytes: bytes, features: int, outputs: int, *, on_gpu: bool = False) -> None:
        """Raises ExtraMissing without the library, SessionFailed for a model or device that does not fit."""
        onnxruntime = optional("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                onnx_bytes, options, providers=[CUDA, CPU] if on_gpu else [CPU]
            )
        except Exception as error:  # the library's own exception types are many and private
            raise SessionFailed(f"ONNX Runtime refuses the model: {str(error).splitlines()[0]}") from None
        self.provider = str(self._session.get_providers()[0])
        if on_gpu and self.provider != CUDA:  # the library falls back to the CPU in silence
            raise SessionFailed(f"ONNX Runtime runs on {self.provider}, not on the GPU: install 'bot4[gpu]'")
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in DTYPES:
            raise SessionFailed("the model must have one input of float32 or float64")
        self._name, self._dtype = inputs[0].name, DTYPES[inputs[0].type]
        self._outputs = outputs
        shape = self.evaluate(np.zeros((1, features))).shape
        if shape != (1, outputs):
            raise SessionFailed(f"the model answers {shape} to one row; its manifest says (1, {outputs})")

    def evaluate(self, rows_nf: NDArray[np.float64]) -> NDArray[np.float64]:
        """Forecasts, shape (rows, outputs). Raises SessionFailed when the model does not take the rows."""
        with np.errstate(over="ignore"):
            given = rows_nf.astype(self._dtype)
        try:
            answer = np.asarray(self._session.run(None, {self._name: given})[0], dtype=np.float64)
        except Exception as error:
            raise SessionFailed(f"ONNX Runtime fails on a row: {str(error).splitlines()[0]}") from None
        return answer.reshape(len(rows_nf), -1)
