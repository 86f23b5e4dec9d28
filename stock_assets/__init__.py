"""A Dagster asset graph for stocks: prices in, an honest forecast and report out."""
