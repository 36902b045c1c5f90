# Sources of sim: the emulated card and its cycle model.
