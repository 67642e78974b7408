"""The generated shop: what is repeatable, what shows where, and whether its numbers are like the real ones."""

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from tpmebench.datasets.bazaar import shop as bazaar
from tpmebench.datasets.bazaar.shop import SIZES, BazaarOptions, ShopImages, generate, stock, tastes
from tpmebench.datasets.bazaar.words import BRANDS, CATEGORIES, MATERIALS, Titles
from tpmebench.datasets.protocol import Prepared, prepare

OPTIONS = BazaarOptions()
COLUMN = {name: column for column, name in enumerate(SIZES)}


class Shop:
    """A generated shop, with the types of what it always has."""

    def __init__(self, options: BazaarOptions) -> None:
        raw = generate(options)
        assert isinstance(raw.texts, Titles)
        assert isinstance(raw.images, ShopImages)
        self.ids, self.texts, self.images, self.interactions = raw.ids, raw.texts, raw.images, raw.interactions


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(OPTIONS)


@pytest.fixture(scope="module")
def prepared(shop: Shop) -> Prepared:
    return prepare(shop.interactions, len(shop.ids))


def test_same_seed_same_shop_and_another_seed_another(shop: Shop) -> None:
    again, other = Shop(OPTIONS), Shop(BazaarOptions(seed=1))
    assert np.array_equal(shop.interactions.items, again.interactions.items)
    assert np.array_equal(shop.interactions.users, again.interactions.users)
    assert not np.array_equal(shop.interactions.items[:1000], other.interactions.items[:1000])
    for row in (0, 17, 4999):
        assert shop.texts[row] == again.texts[row]
        assert shop.images.fingerprint(row + 1) == again.images.fingerprint(row + 1)
        assert shop.images.fingerprint(row + 1) != other.images.fingerprint(row + 1)
        assert shop.images.load(row + 1, 32).tobytes() == again.images.load(row + 1, 32).tobytes()
    assert [shop.texts[row] for row in range(50)] != [other.texts[row] for row in range(50)]


def test_purchases_do_not_depend_on_how_users_are_chunked_beyond_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bazaar, "_CHUNK", 64)
    many = Shop(BazaarOptions(items=500, users=200)).interactions
    few = Shop(BazaarOptions(items=500, users=64)).interactions
    assert np.array_equal(many.items[: len(few.items)], few.items)
    assert np.array_equal(np.unique(many.users), np.arange(200))
    assert (np.diff(many.users) >= 0).all()


def test_statistics_are_like_the_real_ones(shop: Shop, prepared: Prepared) -> None:
    kept = prepared.test.stops - prepared.train.starts
    n_items = len(prepared.order)
    training = np.concatenate(
        [np.arange(a, b) for a, b in zip(prepared.train.starts, prepared.train.stops, strict=True)]
    )
    counts = np.sort(np.bincount(prepared.train.items[training], minlength=n_items + 1)[1:])
    share = np.cumsum(counts) / counts.sum()
    targets = prepared.test.items[prepared.test.stops - 1]
    cold = ~np.isin(targets, prepared.train.items[training])
    repeats = [
        target in prepared.test.items[start : stop - 1]
        for target, start, stop in zip(targets, prepared.train.starts, prepared.test.stops, strict=True)
    ]

    assert len(kept) == OPTIONS.users
    assert 6.4 < kept.mean() < 7.1  # 6.77 in Amazon Scientific
    assert np.median(kept) == 6
    assert 0.03 < (kept == 13).mean() < 0.09  # 0.058
    assert 0.37 < (kept == 5).mean() < 0.47  # 0.405
    assert 2.0 < counts.sum() / n_items < 3.2  # 2.83
    assert 0.5 < 1 - 2 * share.mean() < 0.7  # 0.68; MovieLens 0.54
    assert 0.06 < 1 - share[-n_items // 100] < 0.25  # 0.23; MovieLens 0.07
    assert counts[-1] / counts.sum() < 0.015  # 0.0147
    assert 0.15 < cold.mean() < 0.22  # 0.20
    assert 0.03 < np.mean(repeats) < 0.07  # 0.051


def test_tastes_show_as_strongly_as_in_real_titles(shop: Shop) -> None:
    items, users = shop.interactions.items, shop.interactions.users
    brand = stock(OPTIONS).attributes[:, COLUMN["brand"]][items]

    def excess(gap: int) -> float:
        pairs = (users[gap:] == users[:-gap]) & (items[gap:] != items[:-gap])
        shuffled = np.random.default_rng(0).permutation(brand)
        return (brand[gap:] == brand[:-gap])[pairs].mean() - (shuffled[gap:] == brand[:-gap])[pairs].mean()

    assert 0.10 < excess(1) < 0.25  # 0.10 in Amazon Scientific, of thousands of brands
    assert 0.04 < excess(6) < 0.12  # 0.04
    assert 1.6 < excess(1) / excess(6) < 3.2  # 2.4


def test_knowing_tastes_beats_knowing_half_of_them_beats_popularity(prepared: Prepared) -> None:
    shelf, liked = stock(OPTIONS), tastes(OPTIONS, 0)
    attributes = shelf.attributes[prepared.order]
    popularity = np.log(shelf.popularity[prepared.order])

    def hit_rate(score: Callable[[int, np.ndarray], np.ndarray]) -> float:
        hits = 0
        for user in range(0, OPTIONS.users, 2):
            window = prepared.test.items[prepared.train.starts[user] : prepared.test.stops[user]] - 1
            scores = score(user, attributes[window[-2]])
            target = scores[window[-1]]
            scores[window[:-1]] = -np.inf
            hits += window[-1] not in window[:-1] and (scores > target).sum() < 10
        return hits / len(range(0, OPTIONS.users, 2))

    def taste(columns: tuple[int, ...]) -> Callable[[int, np.ndarray], np.ndarray]:
        def score(user: int, last: np.ndarray) -> np.ndarray:
            category = np.full(SIZES["category"], (1 - bazaar.COMPLEMENT - bazaar.HOME) / SIZES["category"])
            category[shelf.complement[last[0]]] += bazaar.COMPLEMENT
            for home in liked.homes[user]:
                category[home] += bazaar.HOME / bazaar.HOMES
            scores = popularity + np.log(category)[attributes[:, 0]]
            for column in columns:
                value = attributes[:, column]
                scores += np.log(bazaar.FAVOURITE_LIFT[column - 1]) * (value == liked.favourites[user, column - 1])
                scores += np.log(bazaar.LAST_LIFT[column - 1]) * (value == last[column])
            return scores

        return score

    oracle, title, picture = hit_rate(taste((1, 2, 3, 4, 5))), hit_rate(taste((1, 2))), hit_rate(taste((3, 4, 5)))
    popular = hit_rate(lambda user, last: popularity.copy())
    assert 0.3 < oracle < 0.5
    assert popular < 0.04
    assert oracle > 1.2 * max(title, picture)
    assert min(title, picture) > 3 * popular


def test_titles_are_plain_lower_case_of_5_to_15_words_and_name_what_they_should(shop: Shop) -> None:
    attributes = stock(OPTIONS).attributes
    for row in range(500):
        title = shop.texts[row]
        words = title.split()
        assert title == title.lower() == " ".join(words)
        assert 5 <= len(words) <= 15
        assert BRANDS[attributes[row, COLUMN["brand"]]] in words
        assert MATERIALS[attributes[row, COLUMN["material"]]] in words
        assert set(CATEGORIES[attributes[row, COLUMN["category"]]]) & set(words)
    assert len({len(title.split()) for title in shop.texts[:500]}) > 6


@pytest.mark.parametrize("name", SIZES)
def test_an_attribute_shows_where_it_should_and_nowhere_else(name: str) -> None:
    attributes = stock(OPTIONS).attributes[:64]
    changed = attributes.copy()
    changed[:, COLUMN[name]] = (changed[:, COLUMN[name]] + 1) % SIZES[name]
    items = np.arange(1, 65)
    before, after = (ShopImages(0, codes).load_many(items, 32) for codes in (attributes, changed))
    pictures_differ = (before != after).any(axis=(1, 2, 3))
    columns = [COLUMN["brand"], COLUMN["material"], COLUMN["category"]]
    titles_differ = [
        Titles(0, *attributes[:, columns].T)[row] != Titles(0, *changed[:, columns].T)[row] for row in range(64)
    ]
    shown_in_title = name in ("category", "brand", "material")
    shown_in_picture = name in ("category", "colour", "shape", "pattern")
    assert all(titles_differ) if shown_in_title else not any(titles_differ)
    assert pictures_differ.all() if shown_in_picture else not pictures_differ.any()


def test_no_title_speaks_of_looks() -> None:
    looks = {
        "red",
        "orange",
        "yellow",
        "green",
        "blue",
        "purple",
        "pink",
        "brown",
        "black",
        "striped",
        "dotted",
        "round",
    }
    assert not looks & {word for title in Shop(OPTIONS).texts[:2000] for word in title.split()}


def test_a_picture_is_the_same_alone_and_in_company_and_differs_between_twins(shop: Shop) -> None:
    together = shop.images.load_many(np.arange(1, 41), 32)
    assert together.dtype == np.uint8
    assert np.array_equal(together[20], np.asarray(shop.images.load(21, 32)))
    twins = ShopImages(0, np.repeat(stock(OPTIONS).attributes[:1], 8, axis=0)).load_many(np.arange(1, 9), 32)
    assert len(np.unique(twins.reshape(8, -1), axis=0)) == 8
    assert shop.images.load(3, 48).size == (48, 48)


def test_a_big_shop_holds_codes_not_titles_or_pictures() -> None:
    big = Shop(BazaarOptions(items=300_000, users=20_000))
    assert len(big.texts) == len(big.ids) == 300_000
    assert big.ids[-1] == "b300000"
    assert big.ids[1:3] == ["b2", "b3"]
    assert big.texts[-1].split()
    assert big.interactions.times is None
    assert len(np.unique(big.interactions.users)) == 20_000
    assert big.interactions.items.max() < 300_000
    assert big.interactions.items.nbytes + big.interactions.users.nbytes < 2_000_000
    with pytest.raises(IndexError):
        big.texts[300_000]


def test_the_smallest_shop_and_bad_options() -> None:
    tiny = Shop(BazaarOptions(items=16, users=1))
    assert len(tiny.interactions.items) >= 5
    with pytest.raises(ValidationError):
        BazaarOptions(items=15)
    with pytest.raises(ValidationError):
        BazaarOptions.model_validate({"colours": 3})
