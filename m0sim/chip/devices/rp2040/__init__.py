"""The RP2040's blocks. Names of registers and numbers of sections are those of the RP2040 datasheet."""
