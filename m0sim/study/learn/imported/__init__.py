"""Float networks that others trained: read from ONNX, said as the study's layers, evaluated, quantised."""
