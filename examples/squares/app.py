"""Squares of the whole numbers from 0 to 10: printed, and drawn into squares.png."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

x = np.arange(0, 11)
y = x**2

print("This is the squaring function")
print("x =", x)
print("y =", y)

plt.plot(x, y, marker="o")
plt.xlabel("x")
plt.ylabel("x squared")
plt.title("The squaring function")
plt.savefig("squares.png")
print("The plot is in squares.png")
