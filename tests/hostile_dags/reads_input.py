"""A dag file of skyray that asks for a line."""

input("name? ")
