"""Every way to unmix, in a few passes, as functions of samples with two map axes."""

from __future__ import annotations

import unmix as um

METHODS = {
    "nmf": lambda s: um.nmf(s, 3, max_iter=5).maps,
    "nmf of counts": lambda s: um.nmf(s, 3, noise="poisson", max_iter=3).maps,
    "nmf on the simplex": lambda s: um.nmf(s, 3, simplex=True, max_iter=3).maps,
    "nmf by divergence": lambda s: (
        um.nmf(s, 3, loss="kullback-leibler", init="random", max_iter=3).maps
    ),
    "ica": lambda s: um.ica(s, 3, max_iter=5).maps,
    "ica of counts": lambda s: um.ica(s, 2, noise="poisson", n_runs=3, max_iter=5).maps,
    "vca": lambda s: um.vca(s, 4).abundances,
    "atgp": lambda s: um.atgp(s, 4).abundances,
    "pixel purity": lambda s: um.ppi(s, 4, n_skewers=200).abundances,
    "a posterior": lambda s: um.bayesian_unmixing(s, 3, n_chains=2, r_hat=1e6).abundances,
    "a projection on factors": lambda s: um.nmf(s, 2, noise="poisson", max_iter=2).project(s).maps,
    "a projection on sources": lambda s: um.ica(s, 2, noise="poisson", max_iter=2).project(s).maps,
}
