"""The tables of a report: which number stands where, under which name, and how it reads. No HTML here.

cells   what tables are made of, and the results looked up by path
scores  how good the forecasts were, beside naive ones; strategies; by year and by volatility
record  how the forecasts did that were really made
prices  risk, key metrics, months
model   the model card
data    what the report was made from, and how good that was
"""

from stock_assets.reporting.tables.cells import NOTHING as NOTHING
from stock_assets.reporting.tables.cells import TOO_SHORT as TOO_SHORT
from stock_assets.reporting.tables.cells import Cell as Cell
from stock_assets.reporting.tables.cells import Results as Results
from stock_assets.reporting.tables.cells import Row as Row
from stock_assets.reporting.tables.cells import Table as Table
