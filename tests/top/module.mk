# Tests of tests/top.
