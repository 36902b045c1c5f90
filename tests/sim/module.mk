# Tests of tests/sim.
