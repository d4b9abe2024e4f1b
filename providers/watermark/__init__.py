"""An invisible watermark in the luma of films and stills, which says whose they are after they were encoded again.

sizes     of the grid, and of pictures that are searched for it
grid      what a key stands for: which cell of a frame carries what, and with which sign
code      a number as the coded bits that the cells carry, and back
embed     adds a number's watermark to frames
detect    finds it in frames and reads the number; needs no original

It is embedded by the studio's renderer and detected in processes without rights (`jobs.labels`). It imports numpy and
OpenCV only. What it survives, and what it does not: decision 0128.

Films are out in the world with this grid and this code, so neither may change: another one is a second version,
which is looked for beside this one.
"""
