"""Tables larger than memory: the same seven steps, taken block by block.

source    Parquet files, read a block of rows at a time
dealing   which part and which fold a row belongs to, by a hash of what it holds
survey    means, medians and categories of the training rows, found in one pass
prepared  the training rows as numbers, in a file: written once, read by every epoch
pipeline  the seven steps over these
"""
