"""The project in Dagster's own words. Thin: whatever computes lives in core, sources, reporting and storage.

Heavy libraries (pandas, scikit-learn, matplotlib, yfinance) are imported inside functions here, never at module level:
every run and every code server imports these modules first.
"""

import warnings

import dagster as dg

# Checks of partitioned assets are marked preview; the dependency is held to one minor release and the tests cover what
# is used, so the warning at each start would tell a user nothing.
warnings.filterwarnings("ignore", category=dg.PreviewWarning, module=r"stock_assets\.")
