"""The admin API, generated from protos/."""
