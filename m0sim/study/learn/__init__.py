"""On-device learning in integers: networks, arithmetic, methods and the golden model that the kernels must equal."""
