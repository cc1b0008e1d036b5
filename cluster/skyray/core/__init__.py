"""The scheduling core: pure decisions over plain data. No Ray, SQL, clock, threads, logging or randomness."""
