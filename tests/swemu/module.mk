# Tests of tests/swemu.
