"""The figures of a report as PNG bytes, one function a figure. How they look is in figures; their words in alt_texts.

prices     the close along the whole history, and the last year with averages, volume and events
returns    returns session by session and month by month, drawdown, volatility, distribution
forecasts  the forecast, forecasts against outcomes, calibration, how often intervals held
money      the growth of one unit of money, following the forecasts or holding throughout
importance what the model leans on
axes       titles, legends and axes that they share

Every function takes frames or numbers that the graph has already made and draws them; the only computing here is what
a picture needs: moving averages and rolling volatility along the way, bins, the growth of one unit. Frames are indexed
by session. With `simulated=True` the figure carries a watermark. Titles start with `label`, such as "TSLA 2024-03-08",
so that a picture that leaves its page still says what it shows.
"""
