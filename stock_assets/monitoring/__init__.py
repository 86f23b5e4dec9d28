"""What the graph did and what is wrong now: a database beside Dagster's own that outlives its history. No Dagster.

database     where it is, how it is opened, and its migrations
tables       what it holds
records      what is known of a finished run, as plain values
intake       records into the database; doing it again changes nothing
forecasts    every forecast made and, once known, what happened
conditions   what is wrong now: opened, going on, recovered
outbox       messages on their way: gathered, kept, tried again, told once
receivers    where messages go: log, webhook, e-mail
alert_texts  what they say
"""
