"""Fits the polynomials of src/engine/kernel/vmath.h and prints their coefficients.

Minimax in the relative error of the whole function by Lawson's iteratively reweighted least squares on Chebyshev
points, samples from mpmath with 50 digits, then the coefficients are rounded to float32 one after the other, highest
power last, refitting the others each time.  Needs numpy and mpmath.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 50


def solve(basis, want, scale, rounds=200):
    """Coefficients c that make max |basis @ c - want| * scale small."""
    weight = np.ones(len(want))
    best, best_error = None, np.inf
    for _ in range(rounds):
        w = np.sqrt(weight) * scale
        c = np.linalg.lstsq(basis * w[:, None], want * w, rcond=None)[0]
        error = np.abs(basis @ c - want) * scale
        if error.max() < best_error:
            best, best_error = c, error.max()
        weight = weight * (error / error.max() + 1e-12)
        weight /= weight.sum()
    return best, best_error


def fit(name, degree, low, high, target, value, variable=lambda x: x, single=True):
    """target(x): what the polynomial in variable(x) stands for; value(x): d(result)/d(polynomial) / result."""
    k = np.arange(400)
    points = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / 800) for i in k.tolist()]
    points = [p for p in points if abs(p) > 1e-4]
    want = np.array([float(target(p)) for p in points])
    scale = np.array([abs(float(value(p))) for p in points])
    t = np.array([float(variable(p)) for p in points])
    columns = list(range(degree + 1))
    fixed = {}
    while len(fixed) <= degree:
        free = [j for j in columns if j not in fixed]
        rest = want - sum((fixed[j] * t**j for j in fixed), np.zeros(len(t)))
        c, error = solve(np.stack([t**j for j in free], axis=1), rest, scale)
        if not single:
            fixed = dict(zip(free, c))
            break
        fixed[free[0]] = float(np.float32(c[0]))
    total = np.abs(sum(fixed[j] * t**j for j in fixed) - want) * scale
    print(f"{name}: relative error {total.max():.2e} = 2^{np.log2(total.max()):.1f}, lowest power first")
    for j in range(degree + 1):
        text = f"{np.float32(fixed[j]):.9g}f" if single else f"{fixed[j]:.17g}"
        print(f"    {text}")


half_ln2 = mp.log(2) / 2
fit("exp(r) = 1 + r + r^2 p(r)", 4, -half_ln2, half_ln2,
    lambda r: (mp.exp(r) - 1 - r) / r**2, lambda r: r**2 / abs(mp.expm1(r)))
fit("log(1 + f) = f - f^2/2 + f^3 p(f)", 8, mp.sqrt(0.5) - 1, mp.sqrt(2) - 1,
    lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, lambda f: f**3 / mp.log1p(f))
fit("erf(x) = x + x p(x^2)", 5, mp.mpf("1e-3"), mp.mpf("0.93"),
    lambda x: mp.erf(x) / x - 1, lambda x: x / mp.erf(x), lambda x: x * x)
fit("erf(x) = 1 - exp(-x - x p(x))", 5, mp.mpf("0.92"), mp.mpf("3.93"),
    lambda x: -mp.log(mp.erfc(x)) / x - 1, lambda x: x * mp.erfc(x) / mp.erf(x))
fit("sin(r) = r + r^3 p(r^2)", 3, mp.mpf("1e-3"), mp.pi / 4,
    lambda r: (mp.sin(r) - r) / r**3, lambda r: r**3 / mp.sin(r), lambda r: r * r, single=False)
fit("cos(r) = 1 - r^2/2 + r^4 p(r^2)", 3, mp.mpf("1e-3"), mp.pi / 4,
    lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4, lambda r: r**4 / mp.cos(r), lambda r: r * r, single=False)
