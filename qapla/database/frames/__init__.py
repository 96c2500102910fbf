"""Rows of models as data frames, whole (pandas, Arrow, Polars) or in parts that many workers read (Dask), and frames back as tables."""
