"""`python -m vschsm` is the program `vschsm`."""

import os
import sys

from vschsm import program

os.execv(program.path(), ["vschsm", *sys.argv[1:]])
