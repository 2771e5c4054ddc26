"""
The loss over all shapes
========================

Barron's loss is a family: every shape alpha gives another loss. These surfaces show the loss and
the influence of a residual, with the shape on the second axis. They are figures 1 and 2 of the
paper with all shapes in between. The example needs matplotlib.
"""

# %%
# The shape runs from minus infinity to 2. As in the paper, the axis is stretched so that all of it
# fits.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_robust.losses import psi, rho

residuals = np.linspace(-6.0, 6.0, 121)
position = np.linspace(0.0, 1.0, 61)  # 0 is minus infinity, 1/2 is 0, 1 is 2
with np.errstate(divide="ignore"):
    alphas = np.where(position < 0.5, 2.0 - 1.0 / position, 4.0 * position - 2.0)
loss = np.stack([rho(residuals, alpha) for alpha in alphas])
influence = np.stack([psi(residuals, alpha) for alpha in alphas])
marks = {"−∞": 0.0, "−2": 0.25, "0": 0.5, "1": 0.75, "2": 1.0}

figure = plt.figure(figsize=(11, 5), layout="constrained")
for number, (name, surface, top) in enumerate(
    (("loss", loss, 6.0), ("influence", influence, 3.0)), start=1
):
    ax = figure.add_subplot(1, 2, number, projection="3d")
    ax.plot_surface(
        *np.meshgrid(residuals, position),
        np.clip(surface, -top, top),
        cmap="cividis" if name == "loss" else "coolwarm",
        rstride=1, cstride=2, linewidth=0, antialiased=True,
    )  # fmt: skip
    for place in marks.values():
        row = np.abs(position - place).argmin()
        ax.plot(residuals, np.full(121, place), np.clip(surface[row], -top, top), color="black")
    ax.set_yticks(list(marks.values()), list(marks))
    ax.set(xlabel="residual / scale", ylabel="shape alpha", title=name)
    ax.view_init(elev=28, azim=-60)

# %%
# At shape 2 the influence grows without end. At 1 it becomes flat. Below 1 it falls again, and at
# minus infinity a residual of four scales has hardly any. The same from above, with the largest
# influence of every shape as a line:

figure, ax = plt.subplots(figsize=(8, 4.4), layout="constrained")
image = ax.pcolormesh(residuals, position, np.clip(influence, -3, 3), cmap="coolwarm")
beyond = residuals >= 0.0
peak = residuals[beyond][influence[:, beyond].argmax(axis=1)]
redescends = alphas < 1.0
ax.plot(peak[redescends], position[redescends], color="black", label="largest influence")
ax.plot(-peak[redescends], position[redescends], color="black")
ax.set_yticks(list(marks.values()), list(marks))
ax.set(xlabel="residual / scale", ylabel="shape alpha", xlim=(-6, 6))
ax.legend(loc="lower right")
figure.colorbar(image, label="influence")
plt.show()
