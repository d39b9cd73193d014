"""Principal components of a table, and the way there from an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .peers_common import (
    Contender,
    Host,
    Inputs,
    Workload,
    as_good,
    captured_loss,
    exact_captured,
    faster,
    first_rows,
    lean,
    load,
    no_worse,
    ours,
)
from .peers_windows import by_rows, corner, described, n_windows, write_image

K = 16
BUDGET = 128 << 20
LOSS = "share of the variance lost"
ENOUGH = 1e-4
"""`loss` from the image on: less than scikit-learn loses. The table is taken to the default."""


def spectra(scale: float) -> Host:
    """Return spectra of a noisy micrograph: (62,001, 2,112) float32 at scale one."""
    from .common import image

    return by_rows(image(int(64 + 1984 * scale)), 64, 8).reshape(-1, 64 * 33)


def _make(folder: Path, scale: float) -> None:
    table = spectra(scale)
    np.save(folder / "table.npy", table)
    np.save(folder / "exact.npy", exact_captured(table, K))


def _unmix(inputs: Inputs) -> Any:
    import unmix as um

    return um.pca(inputs["table"], K)


def _sklearn(solver: str) -> Any:
    def run(inputs: Inputs) -> Any:
        from sklearn.decomposition import PCA

        model = PCA(K, svd_solver=solver, random_state=0)
        return model, model.fit_transform(inputs["table"])

    return run


def _torch(passes: int) -> Any:
    def run(inputs: Inputs) -> Host:
        import torch

        torch.manual_seed(0)
        u, s, v = torch.pca_lowrank(torch.from_numpy(inputs["table"]), q=K + 10, niter=passes)
        _scores = u[:, :K] * s[:K]
        return np.asarray(v[:, :K].T)

    return run


def _fbpca(inputs: Inputs) -> Host:
    import fbpca

    u, s, vt = fbpca.pca(inputs["table"], K, raw=False, n_iter=2, l=K + 10)
    _scores = u * s
    return np.asarray(vt)


def _hyperspy(inputs: Inputs) -> Host:
    import hyperspy.api as hs

    signal = hs.signals.Signal1D(inputs["table"])
    signal.decomposition(
        algorithm="SVD", svd_solver="randomized", output_dimension=K, print_info=False
    )
    return np.asarray(signal.learning_results.factors[:, :K].T)


def _dask_ml(inputs: Inputs) -> Host:
    import dask.array as da
    from dask_ml.decomposition import PCA

    table = da.from_array(inputs["table"], chunks=(8192, -1))
    model = PCA(K, svd_solver="randomized", random_state=0)
    model.fit_transform(table).compute()
    return np.asarray(model.components_)


def _make_image(folder: Path, scale: float) -> None:
    write_image(2048, 64, 8)(folder, scale)
    for name, table in tables(load(folder)).items():
        np.save(folder / f"{name}.npy", exact_captured(table(), K))


def tables(inputs: Inputs) -> dict[str, Any]:
    """Return the table that components are of, by its name: ours, and that of the peers."""
    window, step = (int(n) for n in inputs["windows"])
    half = window * (window // 2 + 1)
    return {
        "packed": lambda: np.asarray(described(inputs).table()),
        "half": lambda: by_rows(inputs["image"], window, step).reshape(-1, half),
    }


def loss(inputs: Inputs, answer: tuple[str, Host]) -> float:
    """Return what share of the variance is lost against exact components of the same table."""
    name, components = answer
    return captured_loss(tables(inputs)[name](), components, float(inputs[name]))


def _from_image(budget: int | None) -> Any:
    def run(inputs: Inputs) -> Any:
        import unmix as um

        if budget is None:
            return um.pca(described(inputs).keep(), K, loss=ENOUGH)
        with um.config.memory_budget(budget):
            return um.pca(described(inputs), K, loss=ENOUGH)

    return run


def _packed(model: Any) -> tuple[str, Host]:
    return "packed", np.asarray(model.layout.pack(model.components))


def _scipy_and_sklearn(inputs: Inputs) -> Any:
    from sklearn.decomposition import PCA

    model = PCA(K, svd_solver="randomized", random_state=0)
    window, step = (int(n) for n in inputs["windows"])
    spectra = by_rows(inputs["image"], window, step)
    scores = model.fit_transform(spectra.reshape(-1, window * (window // 2 + 1)))
    return model, scores


BOTH = Contender(
    "scipy.fft + scikit-learn", _scipy_and_sklearn, lambda answer: ("half", answer[0].components_)
)
SKLEARN = "scikit-learn, randomized"

WORKLOADS = (
    Workload(
        "pca",
        "16 principal components of a table: 62,001 x 2,112 float32 (0.52 GB)",
        _make,
        first_rows("table"),
        lambda inputs: len(inputs["table"]),
        lambda inputs, found: captured_loss(inputs["table"], found, float(inputs["exact"])),
        LOSS,
        (
            *ours("unmix", _unmix, lambda model: np.asarray(model.components)),
            Contender(SKLEARN, _sklearn("randomized"), lambda answer: answer[0].components_),
            Contender(
                "scikit-learn, covariance",
                _sklearn("covariance_eigh"),
                lambda answer: answer[0].components_,
            ),
            Contender("torch.pca_lowrank, 2 passes", _torch(2)),
            Contender("torch.pca_lowrank, 7 passes", _torch(7)),
            Contender("fbpca", _fbpca),
            Contender("hyperspy", _hyperspy, remark="not centred, its default"),
            Contender("dask-ml", _dask_ml, most_runs=3),
        ),
        (
            faster("unmix", SKLEARN, 3),
            no_worse("unmix", SKLEARN, LOSS),
            lean("unmix", 40),
        ),
    ),
    Workload(
        "image-to-pca",
        "From the image to 16 principal components: 2048 x 2048 float32, 64 x 64 every 8 pixels",
        _make_image,
        corner,
        n_windows,
        loss,
        LOSS,
        (
            *ours("unmix, kept", _from_image(None), _packed),
            *ours("unmix in 128 MiB", _from_image(BUDGET), _packed),
            BOTH,
        ),
        (
            faster("unmix, kept", BOTH.name, 3),
            as_good("unmix, kept", LOSS, 1e-3),
            faster("unmix in 128 MiB", BOTH.name, 1.5),
            lean("unmix in 128 MiB", 150),
            as_good("unmix in 128 MiB", LOSS, 1e-3),
        ),
    ),
)
