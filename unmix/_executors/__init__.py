"""Who runs a pass over tiles: threads, Dask or a GPU's streams."""
