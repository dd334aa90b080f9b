"""Models without a compiled evaluator, by ONNX Runtime: outside the core, in a process of their own."""
