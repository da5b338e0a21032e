"""Parts of which a UART, a timer and what firmware waits for at its start are modelled, and the rest is not."""
