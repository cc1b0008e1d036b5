"""``python -m skyray``, and the ``skyray`` console command."""

from __future__ import annotations

from skyray.cli.main import cli


def main() -> None:
    """Run the command line; exits the process."""
    cli(prog_name="skyray")


if __name__ == "__main__":
    main()
