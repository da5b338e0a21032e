"""Transfer learning on the device: one run (`training`), and many of them side by side (`study`)."""
