"""`python -m kehu.cli`: the same as `kehu`."""

from kehu.cli import main

main()
