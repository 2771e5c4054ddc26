"""
Which rows to check, by name
============================

The table has 392 cars: how far they run on a gallon, and some facts about the engine. No column
says which of them burn diesel, or have an unusual engine. A robust fit lists the cars that are not
like the others, by name. The example needs matplotlib, pandas and vega_datasets.
"""

# %%
# The index of the table holds the names of the cars. Every result has this index, too.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from vega_datasets import data

from sklearn_robust import RobustRegressor
from sklearn_robust.inspection import RobustFitDisplay, diagnostics, outlier_mask

cars = pd.read_json(data.cars.filepath).dropna().set_index("Name")
X = np.log(cars[["Displacement", "Horsepower", "Weight_in_lbs"]]).assign(
    year=pd.to_datetime(cars["Year"]).dt.year - 1970.0,
    europe=(cars["Origin"] == "Europe").astype(float),
)
y = np.log(cars["Miles_per_Gallon"])
model = RobustRegressor(random_state=0).fit(X, y)

# %%
# ``outlier_mask`` flags the rows that lie far off. ``diagnostics`` describes every row. These are
# the ten that the fit believes least:

rows = diagnostics(model, X, y)
worst = rows.worst(10).to_frame()
worst[["residual", "scaled_residual", "weight", "distance", "leverage"]].round(3)

# %%
# A residual of 0.3 in the logarithm means that the car runs a third more miles than a petrol car
# with such an engine would. Three of the ten say in their names that they are diesels. The Mazda
# RX-3, which the table spells "maxda", has a rotary engine, whose displacement is counted in
# another way. The "hi 1200d" is a truck. The others are worth a look. This counts all outliers, and
# all diesels by name:

doubted = outlier_mask(model, X, y)
diesel = X.index.str.contains("diesel")
print(f"{doubted.sum()} of {len(X)} cars are outliers, {(doubted & diesel).sum()} of the "
      f"{diesel.sum()} diesels by name are among them")  # fmt: skip

# %%
# The plot has all rows: how far a row is off in y, against how far off it is in X. Rows at the
# upper right and at the lower right would pull a least-squares plane.

display = RobustFitDisplay.from_estimator(model, X, y, kind="distance")
display.figure_.set_size_inches(8, 5.5)
plt.show()
