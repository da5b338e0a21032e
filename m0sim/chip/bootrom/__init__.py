"""The boot ROM of the RP2040: own code behind the vendor's tables, or a file of the vendor's."""
