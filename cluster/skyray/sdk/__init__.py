"""What DAG authors import; the standard library and core data types only."""
