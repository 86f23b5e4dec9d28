"""Forecasts for others: over HTTP, and for files of questions. Reads the store; makes no artefact, knows no Dagster.

forecasts    the stored forecasts, whole and verified, cached until a newer one lands
answers      what is told about one: its facts, and whether it may still be relied on
histories    a forecast from prices that somebody brings along
csv_lines    lines of a CSV that may hold anything
batch        a CSV of questions in, a CSV of forecasts out
app          the Flask application: routes, errors, limits
processes    gunicorn around it
slow_clients its workers, which wait for no client for long
access_log   what it logs
metrics      what it counts
recorder     every served forecast, on its way to the monitoring database
spool        ... in files that outlive their process
"""
