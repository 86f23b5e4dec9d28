"""Results in, pages and pictures out: pure, so a report is the same bytes wherever and whenever it is made.

html      the report of one ticker and session: `render_report`
charts    its figures as PNG bytes
alt_texts what each figure shows, in words and numbers
tables    its tables: which number stands where, and how it reads
figures   how every figure looks: sizes, colours, the watermark, the encoding
wording   how a number or a session is written for a person
templates the page and its style sheet

Not here: computing scores (core), reading or writing files (storage, defs).
"""
