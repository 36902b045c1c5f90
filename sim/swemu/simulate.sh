#!/bin/sh
# What XRT's hardware emulation starts as the simulator of a card image.
exec ./genericpciemodel --hw-emu
