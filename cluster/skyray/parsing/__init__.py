"""DAG file to serialized DAG, in a child process."""
