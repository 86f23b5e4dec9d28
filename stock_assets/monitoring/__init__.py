"""What the graph did and what is wrong now: a database beside Dagster's own that outlives its history. No Dagster.

database     where it is, how it is opened, and its migrations
tables       what it holds
records      what is known of a finished run, as plain values
intake       records into the database; doing it again changes nothing
forecasts    every forecast made and, once known, what happened
served       how often each forecast was told, minute by minute
observations what a run, or the calendar, says about what may be wrong
conditions   what is wrong now: rules of what opens, goes on, worsens and recovers
condition_store  ... and where they are kept
gathering    what changed becomes messages, those of a kind in one
outbox       messages on their way: kept, tried again, told once
receivers    where messages go: log, webhook
mail         ... and e-mail
alert_texts  what they say
queries      what the monitor page shows
"""
