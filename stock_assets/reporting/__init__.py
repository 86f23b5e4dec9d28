"""Results in, pages and pictures out: pure, so a report is the same bytes wherever and whenever it is made.

html         the report of one ticker and session: `render_report`
inputs       what it is made from, and whether that belongs together
pictures     its figures, each with a text
charts       how they are drawn, as PNG bytes
alt_texts    what each figure shows, in words and numbers
tables       its tables: which number stands where, and how it reads
monthly      returns by month, for a figure and a table
coverage     how often intervals held by year, for a figure
small_charts strips for the Dagster UI

monitor_page how everything goes, what is wrong first: `render`
watchlist_page every ticker of a session on one page: `render`

summary_pdf  the PDF for stakeholders: `render`; its figures and tables are picked in summary_contents
narrative    a person's Markdown as blocks of styled text
typesetting  fonts and lines of text; paper: boxes on its pages

figures      how every figure looks: sizes, colours, the watermark, the encoding
wording      how a number or a session is written for a person
templates    the pages and their style sheets

Not here: computing scores (core), reading or writing files (storage, defs).
"""
