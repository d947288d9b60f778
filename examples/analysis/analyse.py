"""A few numbers, summed up."""

from __future__ import annotations

import pandas as pd

table = pd.DataFrame({"month": ["May", "June", "May"], "rain": [3.5, 1.0, 2.5]})
print(f"pandas {pd.__version__}")
print(table.groupby("month", sort=False).sum().to_string())
