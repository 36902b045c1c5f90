# Sim of XRT without a card: device process, shim repair, xclbin tools.
