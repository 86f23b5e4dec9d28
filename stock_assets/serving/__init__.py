"""Forecasts for others: over HTTP, and for files of questions. Reads the store; makes no artefact, knows no Dagster.

What is told:

    forecast, reading     one stored forecast, read and verified
    forecasts             ... of every ticker, cached until a newer one lands
    answers               what is told about one: its facts, and whether it may still be relied on
    histories             a forecast from prices that somebody brings along
    csv_lines, price_rows lines of a CSV that may hold anything
    batch                 a CSV of questions in, a CSV of forecasts out

Over HTTP:

    config, serving       what it needs, and what requests share
    app                   the Flask application, put together
    routes, pages, page   what programs ask for; what people do
    questions, uploads    reading what was asked, strictly
    limits, problems      who is refused, and how that is told
    listing, health       which tickers there are, and how they are
    openapi, schemas      the document that says all of this
    around                what surrounds every request

As a server:

    processes             gunicorn around the application
    slow_clients          its workers, which wait for no client for long
    access_log, metrics   what it logs, what it counts
    recorder, spool       every served forecast, on its way to the monitoring database
"""
