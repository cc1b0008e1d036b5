"""The scheduling core: pure decisions over plain data. No Ray, no SQL, no clock, no threads, no logging, no randomness."""
