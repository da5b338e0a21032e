"""Peripherals of ST's STM32G0, L0 and F0, and of Puya's PY32F002B, which has much in common with them."""
