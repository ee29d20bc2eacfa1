"""Work cut into parts: in this process, in several of this machine, or on a Dask cluster; finished parts are kept."""
