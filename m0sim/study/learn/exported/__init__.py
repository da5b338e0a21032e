"""A backbone, or what was learned of it, for use elsewhere: as C with the kernels that it calls, and as ONNX."""
