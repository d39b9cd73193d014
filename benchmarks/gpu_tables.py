"""Operations on tables of samples beside products of matrices and reductions of CuPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import unmix as um

from .gpu_common import Bench, Operation, Parts


def simplex(bench: Bench) -> Operation:
    """One search of N-FINDR for all vertices: eight forms in seven dimensions."""
    cp, d, s = bench.cp, 7, 8
    n = bench.fitted(10**7, (d + 1) * 8 * 3, 1000)
    points = bench.numbers((n, d), np.float32, 2**20) / 2**20
    forms = np.random.default_rng(0).standard_normal((s, d)).astype(np.float32)
    offsets = np.ones(s, np.float32)

    def ours() -> dict[str, Any]:
        values, positions = um.ops.largest_forms(points, forms, offsets)
        return {"values": values, "positions": positions}

    def stock() -> Parts:
        lifted = cp.hstack([points, cp.ones((n, 1), np.float32)])
        all_forms = cp.asarray(np.concatenate([forms, offsets[:, None]], axis=1))
        values = cp.abs(cp.matmul(lifted, all_forms.T))
        cp.argmax(values, axis=0)
        yield "values", values.max(axis=0)

    def torch_matmul() -> Parts:
        import torch

        x, a = torch.from_dlpack(points), torch.from_dlpack(cp.asarray(forms))
        found = (x @ a.T + torch.from_dlpack(cp.asarray(offsets))).abs().max(dim=0)
        yield "values", cp.from_dlpack(found.values)

    size = f"{n} points in {d} dimensions, float32, {s} forms"
    rivals = {"cupy": stock, "torch": torch_matmul}
    return Operation("largest_forms", size, 4 * n * d, 2 * n * s * (d + 1), ours, rivals, 1e-5)


def clusters(bench: Bench) -> Operation:
    """One step of Lloyd's iteration."""
    cp, f, k = bench.cp, 64, 32
    n = bench.fitted(10**7, (f + 2 * k) * 4 * 2, 1000)
    rows = bench.numbers((n, f), np.float32) / 256
    centers, origin = rows[:k].copy(), rows.mean(axis=0)
    norms = um.ops.squared_norms(rows, origin)

    def ours() -> dict[str, Any]:
        seen = um.ops.assign(rows, centers[None], origin, norms)
        means = seen.sums[0] / cp.maximum(seen.counts[0], 1)[:, None]
        return {"counts": seen.counts[0], "centers": means}

    def stock() -> Parts:
        sums, counts = cp.zeros((k, f), np.float64), cp.zeros(k, np.float64)
        for first in range(0, n, bench.portion(k * 4 * 4)):
            x = rows[first : first + bench.portion(k * 4 * 4)]
            squares = cp.sum(centers * centers, axis=1)
            labels = cp.argmin(squares - 2 * cp.matmul(x, centers.T), axis=1)
            members = (labels[:, None] == cp.arange(k)).astype(np.float32)
            sums += cp.matmul(members.T, x)
            counts += members.sum(axis=0, dtype=np.float64)
        yield "counts", counts
        yield "centers", sums / cp.maximum(counts, 1)[:, None]

    def cuml_one_step() -> Parts:
        from cuml.cluster import KMeans

        model = KMeans(n_clusters=k, init=centers, n_init=1, max_iter=1, tol=0).fit(rows)
        yield "centers", cp.asarray(model.cluster_centers_)

    size, rivals = f"{n} x {f} float32, {k} centres", {"cupy": stock, "cuml": cuml_one_step}
    return Operation("assign", size, 4 * n * (f + 1), 2 * n * f * k + n * f, ours, rivals, 1e-3)


def race(bench: Bench) -> Operation:
    """One draw of k-means++ for ten starts."""
    cp, s = bench.cp, 10
    n = bench.fitted(10**7, s * 8 * 3, 1000)
    squared = bench.numbers((n, s), np.float32)
    times = bench.numbers((n, s), np.float32, 2**20) + 1
    rows = bench.numbers((n, 2), np.float32)

    def stock() -> Parts:
        open_to = squared > 0
        all_times = cp.where(open_to, times / cp.where(open_to, squared, 1), np.inf)
        cp.argmin(all_times, axis=0)
        yield 0, all_times.min(axis=0)

    def ours() -> Any:
        return um.ops.race(rows, squared, times)

    size = f"{n} samples, {s} starts, float32"
    return Operation("race", size, 8 * n * s, 2 * n * s, ours, {"cupy": stock}, 1e-6)


def sketch(bench: Bench) -> Operation:
    """One pass of a randomized SVD over counts: 4D-STEM data as the detector wrote them."""
    cp, width = bench.cp, 26
    side = max(64, int(65536 * min(1, bench.scale**0.5, (bench.memory / 8 / 65536**2) ** 0.5)))
    rows = bench.numbers((side, side), np.uint16, 40)
    q = bench.numbers((side, width), np.float64) / 256 - 0.5
    center = cp.full(side, 19.5)

    def ours() -> dict[str, Any]:
        seen = um.ops.sketch(rows, q, center)
        return {"total": seen.total, "product": seen.product}

    def stock() -> Parts:
        product, total = cp.zeros((side, width)), cp.zeros(side)
        directions, about = q.astype(np.float32), center.astype(np.float32)
        for first in range(0, side, bench.portion(side * 8)):
            x = rows[first : first + bench.portion(side * 8)].astype(np.float32) - about
            product += cp.matmul(x.T, cp.matmul(x, directions))
            total += x.sum(axis=0, dtype=np.float64)
        yield "total", total
        yield "product", product

    size, flop = f"{side} x {side} uint16, {width} directions", 4.0 * side * side * width
    return Operation("sketch", size, 4.0 * side * side, flop, ours, {"cupy": stock}, 1e-4)


def components(bench: Bench) -> Operation:
    """Sixteen components of counts, all passes, beside the full SVD and the Gram matrix."""
    cp, k = bench.cp, 16
    n, f = bench.fitted(65536, 2048 * 24, 200), max(64, int(2048 * min(1, bench.scale**0.5)))
    weights = bench.numbers((n, k), np.float32) / 256 / cp.arange(1, k + 1, dtype=np.float32)
    counts = cp.matmul(weights, bench.numbers((k, f), np.float32, 200))
    rows = (counts + bench.numbers((n, f), np.float32, 20)).astype(np.uint16)
    omega = cp.asarray(um.ops.random_directions(f, k, 0))

    def ours() -> dict[str, Any]:
        mean = rows.sum(axis=0, dtype=np.float64) / n
        found = um.ops.block_krylov(lambda q, c: um.ops.sketch(rows, q, c), omega, mean, k)
        return {"values": found.values}

    def centred() -> Any:
        x = rows.astype(np.float32)
        return x - x.mean(axis=0)

    def stock() -> Parts:
        yield "values", cp.linalg.svd(centred(), full_matrices=False)[1][:k] ** 2

    def gram() -> Parts:
        x = centred()
        yield "values", cp.linalg.eigvalsh(cp.matmul(x.T, x))[::-1][:k]

    def torch_lowrank() -> Parts:
        import torch

        found = torch.svd_lowrank(torch.from_dlpack(centred()), q=k + 10, niter=2)
        yield "values", cp.from_dlpack(found[1][:k] ** 2)

    rivals = {"cupy": gram, "cupy svd": stock, "torch": torch_lowrank}
    size, flop = f"{n} x {f} uint16, {k} components", 4.0 * n * f * (k + 10)
    note = {"bytes and flop": "of one pass; ours takes several, until they change nothing"}
    return Operation("block_krylov", size, 4.0 * n * f, flop, ours, rivals, 1e-3, note)
