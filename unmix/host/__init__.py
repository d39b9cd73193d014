"""Faster twins of `unmix.ops` for arrays in main memory."""
