"""How many components: each rule against its definition, and all of them against known ranks."""

from __future__ import annotations

import json
from itertools import combinations, pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unmix as um
from unmix.decompose._rank_facts import spread_over_map

RULES = {
    "elbow",
    "gavish_donoho",
    "gavish_donoho_known",
    "parallel_analysis",
    "mdl",
    "hysime",
    "cross_validation",
    "nfindr_volume",
    "nfindr_residual",
    "autocorrelation",
}
COUNTING = RULES - {"gavish_donoho_known", "autocorrelation"}
"""What answers for any table, with nothing known of it."""


def low_rank(n=300, f=30, k=3, noise=0.05, seed=0):
    """Normal noise on k components, none of them less than a third of another."""
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((n, k)) * np.geomspace(1, 0.4, k)
    directions = np.linalg.qr(rng.standard_normal((f, k)))[0].T
    return maps @ directions + noise / np.sqrt(f) * rng.standard_normal((n, f)) + 2


def mixtures(seed=0, n=400, p=4, f=30, snr_db=30, pure=True):
    return um.synthetic.simplex_mixtures(n, p, f, snr_db=snr_db, pure=pure, rng=seed).samples


class TestElbow:
    @given(k=st.integers(1, 8), fall=st.floats(0.1, 10), slope=st.floats(0, 0.05))
    def test_is_where_a_curve_turns_flat(self, k, fall, slope):
        numbers = np.arange(12.0)
        curve = np.maximum(fall * (k - numbers), 0) - slope * fall * numbers
        assert um.ops.elbow(curve) == k

    def test_straight_and_rising_curves_have_none(self):
        line = np.linspace(1, 0, 10)
        assert um.ops.elbow(line) is None
        assert um.ops.elbow(line**0.5) is None
        assert um.ops.elbow(line[::-1]) is None
        assert um.ops.elbow(line[:2]) is None
        noise = np.linalg.eigvalsh(np.cov(np.random.default_rng(0).normal(size=(40, 1000))))
        assert um.ops.elbow(np.log(noise[::-1][:20])) is None


class TestGavishDonoho:
    @pytest.mark.parametrize("ratio", [0.05, 0.3, 0.7, 1.0])
    def test_median_is_that_of_noise(self, ratio):
        noise = np.random.default_rng(0).standard_normal((round(600 * ratio), 600))
        median = np.median(np.linalg.svd(noise, compute_uv=False) ** 2) / 600
        np.testing.assert_allclose(um.ops.marchenko_pastur_median(ratio), median, rtol=0.03)

    @pytest.mark.parametrize("ratio", [0.1, 0.4, 0.7, 1.0])
    def test_threshold_in_medians_is_that_of_the_paper(self, ratio):
        """Their eq. 5, which is good to 0.02."""
        found = um.ops.optimal_threshold(ratio) / np.sqrt(um.ops.marchenko_pastur_median(ratio))
        paper = 0.56 * ratio**3 - 0.95 * ratio**2 + 1.82 * ratio + 1.43
        np.testing.assert_allclose(found, paper, atol=0.02)

    def test_known_noise_needs_no_median(self):
        """Half of all directions hold signal: the median is no measure of the noise any more."""
        table = low_rank(500, 10, 6, noise=0.05)
        sigma = 0.05 / np.sqrt(10)
        answers = um.rank(table, 8, noise=sigma).answers
        assert answers["gavish_donoho_known"] == 6
        assert answers["gavish_donoho"] < 6

    def test_half_planes_count_as_whole_ones(self):
        image = np.random.default_rng(2).random((80, 81))
        spectra = um.window_fft(um.sliding_windows(image, 8, 8))
        rule = um.rank(spectra, 5, noise=0.5).rules["gavish_donoho_known"]
        n, f = spectra.layout.n_samples, spectra.layout.n_features
        power = 0.25 * 64 / f  # of all 64 entries, dealt out to what is stored
        expected = um.ops.optimal_threshold(f / (n - 1)) * np.sqrt(power * (n - 1))
        np.testing.assert_allclose(rule.threshold, expected)


class TestDescriptionLength:
    def test_differences_are_those_of_the_full_likelihood(self):
        """Eq. 14 with all eigenvalues: geometric over arithmetic mean of those left."""
        values = np.sort(np.random.default_rng(0).gamma(1, 1, 9))[::-1]
        n, f = 200, 9
        k = np.arange(6)
        full = [
            -n / 2 * (np.sum(np.log(values[i:])) - (f - i) * np.log(np.mean(values[i:])))
            + (f * i - i * (i - 1) / 2 + 1) * np.log(n) / 2
            for i in k
        ]
        found = um.ops.description_length(values[:5], values.sum(), n, f)
        np.testing.assert_allclose(np.diff(found), np.diff(full))

    def test_few_samples_are_a_table_on_its_side(self):
        table = low_rank(40, 200, 2, noise=0.1)
        assert um.rank(table, 8).answers["mdl"] == 2


class TestParallelAnalysis:
    @pytest.mark.parametrize("shape", [(60, 20), (20, 60), (21, 20)])
    def test_drawn_eigenvalues_are_those_of_noise(self, shape):
        rng, (n, f) = np.random.default_rng(0), shape
        variances = rng.gamma(2, 1, f)
        found = um.ops.noise_eigenvalues(variances, n, 5, n_draws=200)
        assert np.all(np.diff(found, axis=1) <= 0)
        tables = rng.standard_normal((200, n, f)) * np.sqrt(variances)
        tables -= tables.mean(axis=1, keepdims=True)
        drawn = np.linalg.svd(tables, compute_uv=False)[:, :5] ** 2 / (n - 1)
        for reduce in (np.mean, lambda x, axis: np.quantile(x, 0.95, axis=axis)):
            np.testing.assert_allclose(reduce(found, axis=0), reduce(drawn, axis=0), rtol=0.06)

    def test_wide_noise_is_drawn_without_all_eigenvalues(self):
        (found,) = um.ops.noise_eigenvalues(np.ones(600), 2400, 3, n_draws=1)
        np.testing.assert_allclose(found[0], (1 + np.sqrt(0.25)) ** 2, rtol=0.03)


class TestHySime:
    def test_is_that_of_the_samples(self):
        """The paper's two algorithms on the table itself."""
        table = low_rank(400, 12, 3, noise=0.3)
        x = (table - table.mean(axis=0)).T
        noise = np.empty_like(x)
        for i in range(12):
            others = np.delete(x, i, axis=0)
            noise[i] = x[i] - others.T @ np.linalg.lstsq(others.T, x[i])[0]
        signal = x - noise
        _, e = np.linalg.eigh(signal @ signal.T)
        n = x.shape[1]
        variance = np.sum(noise**2, axis=1) / (n - 12)
        ratio = np.diag(e.T @ (x @ x.T) @ e) / (n - 1) / (2 * (e**2).T @ variance)
        found = um.ops.hysime(np.cov(x), n)
        np.testing.assert_allclose(found, np.sort(ratio)[::-1], rtol=1e-6)

    def test_needs_more_samples_than_features(self):
        rule = um.rank(low_rank(20, 30), 5).rules["hysime"]
        assert rule.answer is None
        assert "more samples than features: 20 are no more than 30" in rule.note


class TestCrossValidation:
    def test_is_that_of_the_paper(self):
        table = np.random.default_rng(1).normal(size=(7, 6))
        found = um.ops.bicross_validation(table, 2, key=5)
        assert found.shape == (12, 3)
        # an error of no component is the power of its block: the four of a halving are all
        np.testing.assert_allclose(found[:, 0].reshape(3, 4).sum(axis=1), 1)
        possible = {
            round(self.naive(table, set(rows), set(columns), 2), 9)
            for rows in self.halves(7)
            for columns in self.halves(6)
        }
        assert {round(e, 9) for e in found[:, 2]} <= possible

    @staticmethod
    def halves(n):
        chosen = [s for s in product((0, 1), repeat=n) if sum(s) in (n // 2, n - n // 2)]
        return [[i for i, c in enumerate(s) if c] for s in chosen]

    @staticmethod
    def naive(table, rows, columns, k):
        others, rest = (
            sorted(set(range(n)) - s) for n, s in zip(table.shape, (rows, columns), strict=True)
        )
        rows, columns = sorted(rows), sorted(columns)
        u, s, vt = np.linalg.svd(table[np.ix_(others, rest)], full_matrices=False)
        d = (u[:, :k] * s[:k]) @ vt[:k]
        predicted = table[np.ix_(rows, rest)] @ np.linalg.pinv(d) @ table[np.ix_(others, columns)]
        return np.sum((table[np.ix_(rows, columns)] - predicted) ** 2) / np.sum(table**2)

    def test_fewest_that_are_as_good(self):
        errors = np.asarray([[9.0, 1.0, 0.9], [8.0, 1.2, 1.25], [9.0, 1.1, 1.0]])
        assert um.ops.fewest_components(errors) == 1
        assert um.ops.fewest_components(errors[:, ::-1] * [1, 1, 3]) == 0
        assert um.ops.fewest_components(errors - [0, 0, 0.3]) == 2

    def test_wide_tables_need_no_full_decomposition(self):
        table = low_rank(1100, 1060, 2)
        errors = um.ops.bicross_validation(table - table.mean(axis=0), 4)
        assert um.ops.fewest_components(errors) == 2


class TestMoran:
    @pytest.mark.parametrize("masked", [False, True])
    def test_is_the_sum_over_pairs(self, backend, masked):
        rng = np.random.default_rng(0)
        values = rng.random((2, 4, 5))
        kept = rng.random((2, 4, 5)) > 0.3 if masked else np.ones((2, 4, 5), bool)
        values[~kept] = np.nan
        places = [tuple(p) for p in np.argwhere(kept)]
        near = [
            (a, b) for a in places for b in places if a[0] == b[0]
            and abs(a[1] - b[1]) + abs(a[2] - b[2]) == 1
        ]  # fmt: skip
        away = values - values[kept].mean()
        expected = np.mean([away[a] * away[b] for a, b in near]) / np.mean(away[kept] ** 2)
        found = um.ops.morans_i(backend.asarray(values), kept if masked else None)
        np.testing.assert_allclose(found, expected)
        assert um.ops.neighbour_pairs(kept) == len(near) / 2

    def test_nothing_to_compare(self):
        assert np.isnan(um.ops.morans_i(np.ones((3, 3))))
        assert np.isnan(um.ops.morans_i(np.eye(2), np.eye(2, dtype=bool)))

    def test_noise_scatters_by_the_root_of_pairs(self):
        noise = np.random.default_rng(0).standard_normal((400, 12, 12))
        found = [um.ops.morans_i(image) for image in noise]
        pairs = um.ops.neighbour_pairs(np.ones((12, 12), bool))
        np.testing.assert_allclose(np.std(found), 1 / np.sqrt(pairs), rtol=0.1)

    def test_tells_structure_from_noise(self):
        y, x = np.meshgrid(np.linspace(0, 3, 20), np.linspace(0, 4, 24), indexing="ij")
        maps = np.stack([np.sin(y), np.cos(x), np.sin(y + x)], axis=-1)
        rng = np.random.default_rng(0)
        cube = maps @ rng.standard_normal((3, 20)) + 0.3 * rng.standard_normal((20, 24, 20))
        table = um.rank(um.samples(cube, 2), 8)
        assert table.autocorrelation.shape == (9,)
        assert table.autocorrelation[:3].min() > 0.5
        assert np.abs(table.autocorrelation[3:]).max() < 0.2
        assert table.answers["autocorrelation"] == 3


class TestRank:
    def test_every_rule_is_right_where_it_is_easy(self, backend):
        table = um.rank(backend.asarray(mixtures(n=200)), 6)
        assert set(table.rules) == RULES
        assert {table.answers[rule] for rule in COUNTING} == {3}
        assert table.answers["gavish_donoho_known"] is None
        assert "give noise=" in table.rules["gavish_donoho_known"].note
        assert table.answers["autocorrelation"] is None
        assert "no map of two axes" in table.rules["autocorrelation"].note
        reference = um.rank(mixtures(n=200), 6)
        for name, rule in table.rules.items():
            np.testing.assert_allclose(rule.curve, reference.rules[name].curve, rtol=1e-4)

    def test_fifty_sets_of_known_rank(self):
        """At 30 dB, white noise and noise that differs fourfold between features."""
        hits = {noise: dict.fromkeys(COUNTING, 0) for noise in ("white", "unequal")}
        for seed in range(50):
            rng = np.random.default_rng(seed)
            k, n, f = (int(rng.integers(*r)) for r in ((1, 6), (150, 500), (20, 60)))
            clean = mixtures(seed, n, k + 1, f, None) if seed % 2 else low_rank(n, f, k, 0, seed)
            unequal = 4 ** rng.random(f)
            power = np.mean((clean - clean.mean(axis=0)) ** 2) / 1000
            for noise, strength in (("white", np.ones(f)), ("unequal", unequal)):
                scale = strength * np.sqrt(power / np.mean(strength**2))
                table = um.rank(clean + scale * rng.standard_normal(clean.shape), 9, rng=seed)
                for rule in COUNTING:
                    hits[noise][rule] += table.answers[rule] == k
        good = {noise: {r for r, n in found.items() if n >= 45} for noise, found in hits.items()}
        assert good["white"] >= {"gavish_donoho", "mdl", "hysime", "cross_validation"}, hits
        assert good["unequal"] >= {"elbow", "hysime"}, hits

    def test_the_table_of_hits(self, monkeypatch, capsys):
        monkeypatch.syspath_prepend(Path(__file__).parents[1])
        from benchmarks import ranks

        assert ranks.cell([(3, 3), (4, 3), (5, 3), (1, 3), (None, 3)]) == "20+"
        assert ranks.cell([(3, 3), (2, 2)]) == "100"
        table = ranks.main(1, (30,))
        assert table["hysime"]["white", 30] == table["elbow"]["unequal", 30] == "100"
        assert "hysime               100" in capsys.readouterr().out

    def test_noise_alone_has_none(self):
        noise = np.random.default_rng(0).standard_normal((500, 40))
        answers = um.rank(noise, 15, noise=1).answers
        for rule in ("gavish_donoho", "gavish_donoho_known", "parallel_analysis", "mdl", "hysime"):
            assert answers[rule] == 0
        assert answers["cross_validation"] == 0
        assert answers["elbow"] is None

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_no_noise_at_all(self, dtype):
        answers = um.rank(mixtures(snr_db=None).astype(dtype), 8).answers
        assert {answers[rule] for rule in COUNTING} == {3}

    def test_says_where_it_looked_no_further(self):
        table = um.rank(mixtures(p=6), 3)
        assert table.answers["mdl"] == 3
        assert "raise most" in str(table)
        assert "raise most" not in str(um.rank(mixtures(p=4), 8))

    def test_defaults_to_as_many_as_there_can_be(self):
        assert um.rank(low_rank(30, 6)).most == 5
        assert um.rank(low_rank(6, 30, 2)).most == 4
        model = um.pca(mixtures(), 6)
        assert um.rank(mixtures(), pca=model).most == 5

    def test_a_given_model_saves_the_fit(self):
        table = mixtures()
        model = um.pca(table, 12)
        given, own = um.rank(table, 8, pca=model), um.rank(table, 8)
        assert given.answers == own.answers
        np.testing.assert_allclose(given.rules["elbow"].curve, own.rules["elbow"].curve)

    def test_tiles_and_masks(self):
        cube = mixtures(n=2400).reshape(40, 60, 30)
        mask = np.ones((40, 60), bool)
        mask[5:20, 10:30] = False
        masked = um.rank(um.samples(cube, 2).where(mask), 8)
        assert masked.n_samples == mask.sum()
        assert np.isfinite(masked.autocorrelation).all()
        plain = um.rank(cube[mask], 8)
        assert {k: v for k, v in masked.answers.items() if k in COUNTING} == {
            k: v for k, v in plain.answers.items() if k in COUNTING
        }
        for rule in ("elbow", "mdl", "hysime", "nfindr_volume"):
            np.testing.assert_allclose(masked.rules[rule].curve, plain.rules[rule].curve)
        with um.config.memory_budget(3 << 20):
            tiled = um.rank(um.samples(cube, 2).where(mask), 8)
        assert tiled.answers == masked.answers
        np.testing.assert_allclose(tiled.rules["hysime"].curve, masked.rules["hysime"].curve)

    def test_a_covariance_beyond_the_budget_is_not_formed(self):
        table = mixtures(n=3000, f=100)
        with um.config.memory_budget(1 << 20):
            seen = um.rank(table, 8)
        assert seen.answers["hysime"] is None
        assert "100 features is over the memory budget" in seen.rules["hysime"].note
        for rule in ("gavish_donoho", "parallel_analysis", "mdl", "elbow"):
            assert seen.answers[rule] == 3
        assert seen.rules["gavish_donoho"].note == "looked at 81 of the samples"
        assert "looked at" in str(seen)

    def test_a_subsample_is_spread_over_the_map(self):
        samples = um.samples(np.zeros((100, 100, 3)), 2).where(
            np.arange(10_000).reshape(100, 100) > 9
        )
        numbers = spread_over_map(samples, 1)
        assert len(numbers) == 2048
        assert numbers[0] >= 10
        assert all(1 <= b - a <= 10 for a, b in pairwise(numbers))

    def test_same_key_same_bits(self):
        a, b, c = (um.rank(mixtures(), 6, rng=key).to_dict() for key in (3, 3, 4))
        assert a == b
        assert a != c

    def test_lone_samples_have_no_neighbours(self):
        lone = np.indices((12, 12)).sum(axis=0) % 2 == 0
        table = um.rank(um.samples(mixtures(n=144).reshape(12, 12, 30), 2).where(lone), 5)
        assert table.answers["autocorrelation"] is None
        assert "no two samples are neighbours" in table.rules["autocorrelation"].note


@pytest.fixture(scope="module")
def table():
    return um.rank(um.samples(mixtures().reshape(20, 20, 30), 2), 6)


class TestTable:
    def test_text(self, table):
        text = str(table)
        assert "400 samples with 30 features" in text
        assert "one endmember more" in text
        for rule in RULES:
            assert rule in text
        assert "Autocorrelation of the maps" in text
        assert "mdl 3" in repr(table)
        assert "\n" not in repr(table)

    def test_json(self, table):
        told = json.loads(json.dumps(table.to_dict()))
        assert told["most"] == 6
        assert told["rules"]["mdl"]["answer"] == 3
        assert len(told["rules"]["mdl"]["curve"]) == 7
        assert told["rules"]["mdl"]["threshold"] is None
        assert len(told["autocorrelation"]) == 7

    def test_curves_belong_to_numbers_of_components(self, table):
        for rule in table.rules.values():
            assert rule.curve.shape == rule.components.shape
            assert rule.threshold is None or rule.threshold.shape == rule.curve.shape
        assert table.rules["elbow"].components.tolist() == list(range(1, 8))
        assert table.rules["mdl"].components.tolist() == list(range(7))
        np.testing.assert_array_equal(table.rules["autocorrelation"].curve, table.autocorrelation)

    def test_record_runs_again(self, table):
        text = table.record.to_json()
        again = um.Pipeline.from_json(text).run(mixtures().reshape(20, 20, 30))
        assert again.to_dict() == table.to_dict()


class TestPlot:
    def test_a_panel_for_each_rule_with_a_curve(self, table):
        figure = um.plot.rank(table)
        figure.draw_without_rendering()
        titles = [ax.get_title() for ax in figure.axes]
        assert len(titles) == len(RULES) - 1  # nothing is known of the noise
        assert "Description length: 3" in titles
        hysime = figure.axes[titles.index("HySime: 3")]
        curve, threshold, answer = hysime.lines
        np.testing.assert_array_equal(curve.get_ydata(), table.rules["hysime"].curve)
        np.testing.assert_array_equal(threshold.get_ydata(), 1)
        assert set(answer.get_xdata()) == {3}

    def test_draws_what_has_no_answer_and_no_noise(self):
        figure = um.plot.rank(um.rank(np.random.default_rng(0).random((60, 20)), 10))
        figure.draw_without_rendering()
        assert figure.axes[0].get_title() == "Scree elbow: no answer"
        um.plot.rank(um.rank(mixtures(snr_db=None), 6)).draw_without_rendering()

    def test_nothing_lies_over_another(self, table):
        figure = um.plot.rank(um.rank(um.samples(mixtures().reshape(20, 20, 30), 2), 6, noise=0.1))
        figure.draw_without_rendering()
        whole = figure.bbox
        for ax in figure.axes:
            box = ax.get_tightbbox()
            assert box.x0 >= whole.x0 - 1
            assert box.x1 <= whole.x1 + 1
        boxes = [ax.get_tightbbox() for ax in figure.axes]
        assert not any(a.shrunk(0.98, 0.98).overlaps(b) for a, b in combinations(boxes, 2))

    def test_needs_a_table(self):
        with pytest.raises(um.ParameterError, match=r"got dict; expected the table that unmix\.ra"):
            um.plot.rank({})
