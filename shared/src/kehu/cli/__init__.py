"""The `kehu` command."""


def main() -> None:
    """Run the `kehu` command."""
