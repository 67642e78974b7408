"""One small dataset in the layouts in which real ones are published: encodings, headers or none, odd rows and all.

Four users take five of six items each, in an order that is not that of the rows; a seventh item is never taken. Titles
have a comma, quotes, a colon and a letter beyond ASCII. `HISTORIES` is what each layout has to give.
"""

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

TITLES = ["Toy Story (1995)", "Café, la vie", 'The "Rock"', "Se7en", "Heat: part 2", "M", "Never taken"]
ORDERS = ([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [5, 0, 2, 4, 1], [3, 3, 0, 5, 2])
"""The items of each user in time order."""
HISTORIES = {tuple(TITLES[item] for item in order) for order in ORDERS}
_TAKEN = [(user, item, step) for user, order in enumerate(ORDERS) for step, item in enumerate(order)]
ROWS = sorted(_TAKEN, key=lambda row: (row[1], -row[2]))
"""User, item and how many it had taken before."""
PARTS = (0, 0, 0, 1, 2)


def time(user: int, step: int) -> int:
    return 881_250_949 + 86_400 * step + user


def rating(user: int, item: int) -> int:
    return 1 + (user + item) % 5


def write(path: Path, rows: Iterable[Sequence[Any]], separator: str = ",", encoding: str = "utf-8") -> None:
    """Rows as they stand, quoted only where commas separate."""
    text = io.StringIO()
    if separator == ",":
        csv.writer(text, lineterminator="\n").writerows(rows)
    else:
        text.writelines(separator.join(map(str, row)) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue().encode(encoding))


def covers(folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shade, name in enumerate(names):
        Image.new("RGB", (4, 4), (40 * shade, 0, 0)).save(folder / name)


def recbole(folder: Path) -> str:
    (folder / "shop.user").write_text("user_id:token\tage:token\nu0\t24\n")
    head = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
    taken = [(f"u{user}", f"i{item}", f"{rating(user, item)}.0", f"{time(user, step)}.0") for user, item, step in ROWS]
    write(folder / "shop.inter", [head, *taken], "\t")
    items = [(f"i{item}", title, "Drama Sci-Fi") for item, title in enumerate(TITLES)]
    write(folder / "shop.item", [("item_id:token", "movie_title:token_seq", "class:token_seq"), *items], "\t")
    return f"recbole:{folder}"


def recbole_split(folder: Path) -> str:
    spec = recbole(folder)
    head, *rows = (folder / "shop.inter").read_text().splitlines()
    (folder / "shop.inter").unlink()
    for part, name in enumerate(("train", "valid", "test")):
        own = [line for line, row in zip(rows, ROWS, strict=True) if PARTS[row[2]] == part]
        (folder / f"shop.{name}.inter").write_text("\n".join([head, *own]) + "\n")
    return spec


def recbole_histories(folder: Path) -> str:
    """As sequential models read them: the targets, each behind its history; in training every one, the last first."""
    head = ("user_id:token", "item_id_list:token_seq", "item_id:token")
    for name, ends in (("train", (2, 1)), ("valid", (3,)), ("test", (4,))):
        rows = [
            (user, " ".join(f"{item}" for item in order[:end]), order[end])
            for user, order in enumerate(ORDERS)
            for end in ends
        ]
        write(folder / f"shop.{name}.inter", [head, *rows], "\t")
    write(folder / "shop.text", [("item_id:token", "text:token_seq"), *enumerate(TITLES)], "\t")
    return f"recbole:{folder}"


def mmrec(folder: Path) -> str:
    head = ("userID", "itemID", "rating", "timestamp", "x_label")
    taken = [(user, item, 5.0, time(user, step), PARTS[step]) for user, item, step in ROWS]
    write(folder / "baby.inter", [head, *taken], "\t")
    write(folder / "i_id_mapping.csv", [("asin", "itemID"), *((f"B00{item}", item) for item in range(7))], "\t")
    write(folder / "u_id_mapping.csv", [("user_id", "userID"), *((f"A{user}", user) for user in range(4))], "\t")
    meta = [(item, f"B00{item}", title, 9.99) for item, title in enumerate(TITLES)]
    write(folder / "meta-baby.csv", [("itemID", "asin", "title", "price"), *reversed(meta)])
    rng = np.random.default_rng(0)
    np.save(folder / "text_feat.npy", rng.normal(size=(7, 12)).astype(np.float32))
    np.save(folder / "image_feat.npy", rng.normal(size=(7, 20)))
    np.save(folder / "user_graph_dict.npy", np.array({0: [1]}, dtype=object), allow_pickle=True)
    return f"mmrec:{folder}"


def m3l(folder: Path) -> str:
    """Interactions without times, features of several encoders."""
    rows = sorted(ROWS, key=lambda row: (row[0], row[2]))
    taken = [(user, item, 1, PARTS[step]) for user, item, step in rows]
    write(folder / "m3l-10m.inter", [("userID", "itemID", "rating", "x_label"), *taken], "\t")
    write(folder / "meta.csv", [("itemID", "title"), *enumerate(TITLES)])
    for kind, names in (("text", ("minilm", "mpnet")), ("image", ("vit", "vgg")), ("audio", ("ast",))):
        (folder / kind).mkdir()
        for name in names:
            np.save(folder / kind / f"{name}.npy", np.ones((7, 8)))
    return f"mmrec:{folder}:text_features=mpnet,image_features=vit,order=rows"


def ducho(folder: Path) -> str:
    """No times, texts that are descriptions, a file of features an item; two encoders of pictures."""
    by_user = sorted(ROWS, key=lambda row: (row[0], row[2]))
    for part, name in enumerate(("train", "val", "test")):
        write(folder / f"{name}.tsv", [(f"A{u}", f"B{i}", 5.0) for u, i, step in by_user if PARTS[step] == part], "\t")
    items = [(f"B{item}", title, "http://localhost/") for item, title in enumerate(TITLES)]
    write(folder / "meta.tsv", [("asin", "description", "imUrl"), *items], "\t")
    covers(folder / "images", [f"B{item}.jpg" for item in range(7)])
    for place in ("visual_embeddings_1/torch/ResNet50/avgpool", "visual_embeddings_1/torch/MMFashion/avgpool"):
        (folder / place).mkdir(parents=True)
        for item in range(7):
            np.save(folder / place / f"B{item}.npy", np.full((1, 8), item + 1, dtype=np.float32))
    return f"ducho:{folder}:order=rows,image_features=ResNet50"


def perpeft(folder: Path) -> str:
    by_user = sorted(ROWS, key=lambda row: (row[0], row[2]))
    write(folder / "arts_final.txt", [(user + 1, item + 1) for user, item, _ in by_user], " ")
    (folder / "arts_item2id_final.json").write_text(json.dumps({str(item + 1): f"B{item}" for item in range(7)}))
    (folder / "arts_texts_final.json").write_text(json.dumps({f"B{item}": title for item, title in enumerate(TITLES)}))
    covers(folder / "arts_images", [f"B{item}.jpg" for item in range(7)])
    return f"perpeft:{folder}"


def pixelrec(folder: Path) -> str:
    taken = [(f"i{item}", f"u{user}", time(user, step)) for user, item, step in ROWS]
    write(folder / "pixelrec_interaction" / "Pixel200K.csv", [("item_id", "user_id", "timestamp"), *taken])
    head = ("item_id", "view_number", "title", "tag", "description")
    items = [(f"i{item}", 100, title, "生活", "line one\nline two") for item, title in enumerate(TITLES)]
    write(folder / "pixelrec_iteminfo" / "Pixel200K.csv", [head, *items])
    covers(folder / "cover", [f"i{item}.jpg" for item in range(7)])
    return f"pixelrec:{folder}"


def ninerec(folder: Path) -> str:
    write(folder / "Bili_Food_pair.csv", [(f"u{user}", f"v{item}", time(user, step)) for user, item, step in ROWS])
    write(
        folder / "Bili_Food_item.csv",
        [(f"v{item}", "韩国电影，《女教师》", title) for item, title in enumerate(TITLES)],
    )
    write(folder / "Bili_Food_url.csv", [(f"v{item}", "http://localhost/") for item in range(7)])
    covers(folder / "Bili_Food_cover", [f"v{item}.jpg" for item in range(7)])
    return f"pixelrec:{folder}"


def ninerec_source(folder: Path) -> str:
    """The larger datasets have the item before the user."""
    spec = ninerec(folder)
    taken = [(f"v{item}", f"u{user}", time(user, step)) for user, item, step in ROWS]
    write(folder / "Bili_Food_pair.csv", taken)
    return spec


def ninerec_without_times(folder: Path) -> str:
    spec = ninerec(folder)
    write(folder / "Bili_Food_pair.csv", [(f"u{user}", f"v{item}") for user, item, _ in ROWS])
    histories = [(f"u{user}", " ".join(f"v{item}" for item in order)) for user, order in enumerate(ORDERS)]
    write(folder / "Bili_Food_behaviour.tsv", histories, "\t")
    return spec


def movielens_100k(folder: Path) -> str:
    taken = [(user + 1, item + 1, rating(user, item), time(user, step)) for user, item, step in ROWS]
    write(folder / "u.data", taken, "\t")
    genres = "|".join("0" * 18 + "1")
    items = [(item + 1, title, "01-Jan-1995", "", "http://localhost/", genres) for item, title in enumerate(TITLES)]
    write(folder / "u.item", items, "|", "latin-1")
    write(folder / "u.user", [(1, 24, "M", "technician", "85711")], "|")
    write(folder / "u.genre", [("unknown", 0)], "|")
    write(folder / "u1.base", taken[:3], "\t")
    covers(folder / "posters", [f"{item + 1}.jpg" for item in range(7)])
    return f"movielens:{folder}"


def movielens_1m(folder: Path) -> str:
    taken = [(user + 1, item + 1, rating(user, item), time(user, step)) for user, item, step in ROWS]
    write(folder / "ratings.dat", taken, "::")
    items = [(item + 1, title, "Drama|Children's") for item, title in enumerate(TITLES)]
    write(folder / "movies.dat", items, "::", "latin-1")
    write(folder / "users.dat", [(1, "F", 1, 10, "48067")], "::")
    return f"movielens:{folder}"


def movielens_10m(folder: Path) -> str:
    spec = movielens_1m(folder)
    (folder / "movies.dat").write_text((folder / "movies.dat").read_text("latin-1"), "utf-8")
    return spec


def movielens_csv(folder: Path) -> str:
    taken = [(user + 1, item + 1, rating(user, item) - 0.5, time(user, step)) for user, item, step in ROWS]
    write(folder / "ratings.csv", [("userId", "movieId", "rating", "timestamp"), *taken])
    items = [(item + 1, title, "Drama|IMAX") for item, title in enumerate(TITLES)]
    write(folder / "movies.csv", [("movieId", "title", "genres"), *items])
    write(folder / "tags.csv", [("userId", "movieId", "tag", "timestamp"), (1, 1, "fun", 1)])
    return f"movielens:{folder}"


def movielens_posters(folder: Path) -> str:
    taken = [(user + 1, item + 1, rating(user, item), time(user, step)) for user, item, step in ROWS]
    write(folder / "ratings.csv", [("user_id", "movie_id", "rating", "unix_timestamp"), *taken])
    items = [(item + 1, title, 1995, "A film.") for item, title in enumerate(TITLES)]
    write(folder / "items.csv", [("movie_id", "title", "year", "overview"), *items])
    covers(folder / "posters", [f"{item + 1}.jpg" for item in range(7)])
    return f"movielens:{folder}"


def _parts(folder: Path, split: str, columns: dict[str, list[Any]], count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    size = -(-len(table) // count)
    for part in range(count):
        name = f"{split}-{part:05d}-of-{count:05d}.parquet"
        pq.write_table(table.slice(part * size, size), folder / name)


def _taken(rows: Sequence[tuple[int, int, int]]) -> dict[str, list[Any]]:
    users = [f"u{user}" for user, _, _ in rows]
    times = [1000 * time(user, step) for user, _, step in rows]
    return {"user_id": users, "parent_asin": [f"B{item}" for _, item, _ in rows], "timestamp": times}


def parquet(folder: Path) -> str:
    (folder / "README.md").write_text("---\nlicense: cc\n---\n")
    _parts(folder / "reviews", "full", _taken(ROWS), 2)
    _parts(folder / "meta", "full", {"parent_asin": [f"B{item}" for item in range(7)], "title": TITLES}, 2)
    return f"parquet:{folder}"


def parquet_pictures(folder: Path) -> str:
    """Pictures in the rows, as the hub's feature `Image` stores them; the item that nobody takes has none."""
    spec = parquet(folder)
    covers(folder / "images", [f"{item}.png" for item in range(6)])
    held = [{"bytes": (folder / "images" / f"{item}.png").read_bytes(), "path": None} for item in range(6)] + [None]
    shutil.rmtree(folder / "images")
    shutil.rmtree(folder / "meta")
    _parts(
        folder / "meta", "full", {"parent_asin": [f"B{item}" for item in range(7)], "title": TITLES, "cover": held}, 2
    )
    return spec


def parquet_splits(folder: Path) -> str:
    """Interactions in the hub's splits, with the title in every row."""
    for part, name in enumerate(("train", "validation", "test")):
        rows = [row for row in ROWS if PARTS[row[2]] == part]
        columns = _taken(rows)
        columns["film"] = columns.pop("parent_asin")
        _parts(folder / "data", name, columns | {"title": [TITLES[item] for _, item, _ in rows]}, 2 - part // 2)
    return f"parquet:{folder}:item=film"


ASINS = [f"B00{item}AMZN{item}X" for item in range(6)] + ["0764205366"]
REVIEWERS = [f"A{user}UBHTUUIFJU{user}" for user in range(4)]
_MARKED = [
    "Toy Story (1995)",
    " Caf&eacute;, la  vie",
    "The &amp;quot;Rock&amp;quot;",
    "<span>Se7en</span>",
    *TITLES[4:],
]
"""Titles as web pages leave them."""


def packed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def json_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    packed(path, "".join(json.dumps(value) + "\n" for value in values))


def amazon_meta(folder: Path, name: str = "meta_Gift_Cards.json.gz") -> None:
    rows = [
        {"category": ["Gift Cards"], "title": title, "image": [], "rank": "", "asin": asin, "details": {"a": "b"}}
        for asin, title in zip(ASINS, _MARKED, strict=True)
    ]
    rows[1] |= {"imageURL": ["https://x/s.jpg", "https://x/t.jpg"], "imageURLHighRes": ["https://x/l.jpg"]}
    json_lines(
        folder / name, [*rows, rows[2], {"asin": "B00NOTHING", "title": "var aPageStart = (new Date()).getTime();"}]
    )


def amazon_2018(folder: Path) -> str:
    """Reviews without text, with votes as text; an item's metadata repeated, a title that is a page's script."""
    reviews = [
        {
            "overall": float(rating(user, item)),
            "verified": True,
            "reviewerID": REVIEWERS[user],
            "asin": ASINS[item],
            "unixReviewTime": time(user, step),
            **({"reviewText": "Good\u2028gift", "vote": "1,024"} if step % 2 else {"style": {"Amount:": " 50"}}),
        }
        for user, item, step in ROWS
    ]
    json_lines(folder / "Gift_Cards_5.json.gz", reviews)
    amazon_meta(folder)
    return f"amazon-2018:{folder}"


def amazon_2018_full(folder: Path) -> str:
    """Unpacked, the 5-core and all reviews in one folder; reviews of an item without metadata are dropped."""
    amazon_2018(folder)
    text = gzip.decompress((folder / "Gift_Cards_5.json.gz").read_bytes()).decode()
    packed(folder / "Gift_Cards.json", text + text.splitlines()[0].replace(ASINS[0], "B00UNKNOWN") + "\n")
    return f"amazon-2018:{folder}:category=Gift_Cards"


def _ratings(folder: Path, name: str, columns: Sequence[int], head: str = "") -> str:
    rows = [(REVIEWERS[user], ASINS[item], f"{rating(user, item)}.0", time(user, step)) for user, item, step in ROWS]
    packed(folder / name, head + "".join(",".join(str(row[at]) for at in columns) + "\n" for row in rows))
    amazon_meta(folder)
    return f"amazon-ratings:{folder}"


def amazon_ratings_2014(folder: Path) -> str:
    return _ratings(folder, "ratings_Gift_Cards.csv", (0, 1, 2, 3))


def amazon_ratings_2018(folder: Path) -> str:
    return _ratings(folder, "Gift_Cards.csv.gz", (1, 0, 2, 3))


def amazon_ratings_header(folder: Path) -> str:
    return _ratings(folder, "Gift_Cards.csv", (3, 2, 0, 1), "timestamp,rating,user,item\n")


def _meta_2023(file: Path) -> None:
    pictures = [{"thumb": "t", "large": "l", "variant": "PT01", "hi_res": None}]
    pictures += [{"thumb": "https://x/t.jpg", "large": "https://x/l.jpg", "variant": "MAIN", "hi_res": None}]
    rows = [
        {"main_category": None, "title": title, "images": pictures if item else [], "parent_asin": asin, "price": 9.99}
        for item, (asin, title) in enumerate(zip(ASINS, _MARKED, strict=True))
    ]
    json_lines(file, [*rows, rows[0]])


def amazon_2023(folder: Path) -> str:
    """Variants of an item, whose parent counts."""
    reviews = [
        {
            "rating": float(rating(user, item)),
            "title": "Five Stars",
            "text": "",
            "images": [],
            "asin": f"B0VARIANT{step}",
            "parent_asin": ASINS[item],
            "user_id": REVIEWERS[user],
            "timestamp": 1000 * time(user, step) + step,
            "helpful_vote": 0,
            "verified_purchase": True,
        }
        for user, item, step in ROWS
    ]
    json_lines(folder / "Gift_Cards.jsonl.gz", reviews)
    _meta_2023(folder / "meta_Gift_Cards.jsonl.gz")
    return f"amazon-2023:{folder}"


def amazon_2023_split(folder: Path) -> str:
    """The folders of the repository."""
    for part, name in enumerate(("train", "valid", "test")):
        rows = [
            (REVIEWERS[user], ASINS[item], f"{rating(user, item)}.0", 1000 * time(user, step))
            for user, item, step in ROWS
            if PARTS[step] == part
        ]
        head = ("user_id", "parent_asin", "rating", "timestamp")
        write(folder / "benchmark" / "5core" / "last_out" / f"Gift_Cards.{name}.csv", [head, *rows])
    _meta_2023(folder / "raw" / "meta_categories" / "meta_Gift_Cards.jsonl")
    return f"amazon-2023:{folder}"


def microlens(folder: Path) -> str:
    """Titles with a header, quoted or not, one of them missing; covers."""
    rows = [(100 + user, 1 + item, 1000 * time(user, step)) for user, item, step in ROWS]
    write(folder / "MicroLens-50k_pairs.csv", [("user", "item", "timestamp"), *rows])
    titles = [f"{1 + item},{title}" for item, title in enumerate(TITLES[:6])]
    titles[2] = '3,"The ""Rock"""'
    (folder / "MicroLens-50k_titles.csv").write_text("item,title\r\n" + "\r\n".join(titles) + "\r\n", newline="")
    covers(folder / "MicroLens-50k_covers", [f"{1 + item}.jpg" for item in range(7)])
    return f"microlens:{folder}"


def microlens_100k(folder: Path) -> str:
    """Users with their items in order, titles without a header and quotes."""
    rows = [(100 + user, " ".join(str(1 + item) for item in order)) for user, order in enumerate(ORDERS)]
    write(folder / "MicroLens-100k_pairs.tsv", rows, "\t")
    (folder / "MicroLens-100k_title_en.csv").write_text(
        "".join(f"{1 + item},{title}\n" for item, title in enumerate(TITLES))
    )
    covers(folder / "MicroLens-100k_covers", [f"{1 + item}.jpg" for item in range(6)])
    return f"microlens:{folder}"


LAYOUTS: dict[str, Callable[[Path], str]] = {
    each.__name__: each
    for each in (
        *(recbole, recbole_split, recbole_histories, mmrec, m3l, ducho, perpeft, pixelrec, ninerec, ninerec_source),
        *(ninerec_without_times, movielens_100k, movielens_1m, movielens_10m, movielens_csv, movielens_posters),
        *(parquet, parquet_pictures, parquet_splits),
        *(amazon_2018, amazon_2018_full, amazon_ratings_2014, amazon_ratings_2018, amazon_ratings_header),
        *(amazon_2023, amazon_2023_split, microlens, microlens_100k),
    )
}
"""By name, what writes the dataset into an empty folder and says what it is called after `--dataset`."""


@dataclass(frozen=True)
class Broken:
    """A layout, what is done to it, a pattern of what is said; `repair`: an option that mends it, what it counts."""

    layout: str
    what: str
    done: Callable[[Path], object]
    said: str
    repair: tuple[str, str, int] | None = None


def edit(name: str, old: str, new: str, count: int = 1) -> Callable[[Path], object]:
    """Some text replaced in a file of a folder or of what is below it, packed or not."""

    def done(folder: Path) -> None:
        file = next(folder.rglob(name))
        content = gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes()
        assert old.encode() in content
        content = content.replace(old.encode(), new.encode(), count)
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    return done
