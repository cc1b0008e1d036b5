"""Postgres: engine, migrations, statements, leader lock."""
