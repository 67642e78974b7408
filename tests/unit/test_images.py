"""Decoding into the shared store, and what it does with missing, broken and changed pictures."""

import json
import threading

import numpy as np
import pytest
from PIL import Image

from tpmebench.datasets.catalogue import Catalogue
from tpmebench.datasets.images import ImageFiles, ImageStore, SelectedImages, verify
from tpmebench.errors import BenchError


def picture(path, seed, size=(20, 30), mode="RGB"):
    channels = {"RGB": (3,), "L": (), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    Image.fromarray(pixels, mode).save(path)
    return path


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return [
        picture(folder / "a.png", 0),
        None,
        picture(folder / "c.jpg", 1, size=(64, 16)),
        picture(folder / "d.png", 2, mode="L"),
        picture(folder / "e.png", 3, mode="RGBA"),
    ]


def catalogue(paths):
    return Catalogue([""] + [f"item{row}" for row in range(len(paths))], None, ImageFiles(paths))


def test_pixels_are_the_resized_pictures(paths, tmp_path):
    store = ImageStore.open(catalogue(paths), 16, tmp_path / "store", workers=2)
    assert isinstance(store.pixels, np.memmap)
    assert store.pixels.shape == (6, 3, 16, 16)
    assert store.pixels.dtype == np.uint8
    assert store.missing == 1
    assert (store.pixels[0] == 128).all()
    assert (store.pixels[2] == 128).all()
    for item in (1, 3, 4):
        image = Image.open(paths[item - 1]).convert("RGB").resize((16, 16), Image.Resampling.BICUBIC)
        assert np.array_equal(store.pixels[item], np.asarray(image).transpose(2, 0, 1))
    with pytest.raises(ValueError, match="read-only"):
        store.pixels[0] = 0


def test_many_chunks_and_workers_keep_the_order(tmp_path, monkeypatch):
    class Plain:
        """Item n is a plain square of brightness n."""

        def fingerprint(self, item):
            return f"plain {item}"

        def load(self, item, side):
            return Image.new("RGB", (side, side), (item % 256,) * 3)

    monkeypatch.setattr("tpmebench.datasets.images.CHUNK_ITEMS", 7)
    store = ImageStore.open(Catalogue([""] * 301, None, Plain()), 4, tmp_path, workers=4)
    assert store.pixels[1:, 0, 0, 0].tolist() == [item % 256 for item in range(1, 301)]


def decoded_items(source):
    """Wraps a source so that the items it decodes are counted."""
    seen = []

    class Counting:
        fingerprint = source.fingerprint

        def load(self, item, side):
            seen.append(item)
            return source.load(item, side)

    return Counting(), seen


def test_decoded_once_and_again_when_content_or_side_changes(paths, tmp_path):
    source, seen = decoded_items(ImageFiles(paths))
    shop = Catalogue([""] * 6, None, source)
    first = ImageStore.open(shop, 8, tmp_path / "store")
    assert sorted(seen) == [1, 2, 3, 4, 5]
    seen.clear()
    assert ImageStore.open(shop, 8, tmp_path / "store").digest == first.digest
    assert seen == []
    larger = ImageStore.open(shop, 9, tmp_path / "store")
    assert larger.digest != first.digest
    picture(paths[0], 99)
    changed = ImageStore.open(shop, 8, tmp_path / "store")
    assert changed.digest != first.digest
    assert not np.array_equal(changed.pixels[1], first.pixels[1])
    assert np.array_equal(changed.pixels[3], first.pixels[3])


@pytest.mark.filterwarnings("ignore:.*decoded again")
@pytest.mark.parametrize("damage", ["truncated", "unmarked", "other shape", "archive", "other type", "endless"])
def test_a_damaged_store_is_built_again(paths, tmp_path, damage):
    store = ImageStore.open(catalogue(paths), 8, tmp_path / "store")
    expected = np.array(store.pixels)
    (folder,) = (entry for entry in (tmp_path / "store").iterdir() if entry.is_dir())
    if damage == "truncated":
        data = (folder / "pixels.npy").read_bytes()
        (folder / "pixels.npy").write_bytes(data[:-1])
    elif damage == "unmarked":
        (folder / "about.json").unlink()
        (folder / "pixels.npy").write_bytes(b"")
    elif damage == "archive":
        np.savez(tmp_path / "other.npz", pixels=expected)
        (tmp_path / "other.npz").replace(folder / "pixels.npy")
    elif damage == "other type":
        np.save(folder / "pixels.npy", expected.astype("U1"))
    elif damage == "endless":
        data = (folder / "pixels.npy").read_bytes()
        assert b"(6, 3, 8, 8), }            " in data
        (folder / "pixels.npy").write_bytes(
            data.replace(b"(6, 3, 8, 8), }            ", b"(1000000000000, 3, 8, 8), }")
        )
    else:
        np.save(folder / "pixels.npy", expected[:3])
    assert np.array_equal(ImageStore.open(catalogue(paths), 8, tmp_path / "store").pixels, expected)


def flipped(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_a_store_without_marker_and_checksums_is_built_again(paths, tmp_path):
    """As earlier versions left them."""
    store = ImageStore.open(catalogue(paths), 8, tmp_path / "store")
    expected = np.array(store.pixels)
    (folder,) = (entry for entry in (tmp_path / "store").iterdir() if entry.is_dir())
    (folder / ".tpmebench").unlink()
    about = json.loads((folder / "about.json").read_text())
    del about["crc32"]
    (folder / "about.json").write_text(json.dumps(about))
    assert "without checksums" in verify(folder)[0]
    assert np.array_equal(ImageStore.open(catalogue(paths), 8, tmp_path / "store").pixels, expected)
    assert verify(folder) == []


@pytest.mark.parametrize("place", [-1, -700])
def test_a_flipped_byte_is_noticed_named_and_mended(paths, tmp_path, monkeypatch, place):
    monkeypatch.setattr("tpmebench.datasets.images.CHUNK_BYTES", 500)
    store = ImageStore.open(catalogue(paths), 8, tmp_path / "store")
    expected = np.array(store.pixels)
    (folder,) = (entry for entry in (tmp_path / "store").iterdir() if entry.is_dir())
    assert verify(folder) == []
    flipped(folder / "pixels.npy", place)
    (fault,) = verify(folder)
    assert fault.startswith(f"{folder / 'pixels.npy'}: changed since it was written")
    with pytest.warns(UserWarning, match=r"pixels\.npy: changed since it was written"):
        again = ImageStore.open(catalogue(paths), 8, tmp_path / "store")
    assert np.array_equal(again.pixels, expected) and verify(folder) == []


def test_a_corrupt_picture_is_named_and_leaves_nothing_behind(paths, tmp_path):
    paths[2].write_bytes(paths[2].read_bytes()[:200])
    with pytest.raises(BenchError, match=r"c\.jpg: cannot decode the picture"):
        ImageStore.open(catalogue(paths), 8, tmp_path / "store")
    assert {path.name for path in (tmp_path / "store").glob("*/*")} <= {".tpmebench"}


def test_text_in_place_of_a_picture(tmp_path):
    (tmp_path / "a.png").write_text("<html>not found</html>")
    with pytest.raises(BenchError, match=r"a\.png: cannot decode"):
        ImageFiles([tmp_path / "a.png"]).load(1, 8)


def test_a_picture_removed_after_listing_is_named(tmp_path):
    with pytest.raises(BenchError, match=r"gone\.jpg: there is no such file"):
        ImageFiles([tmp_path / "gone.jpg"]).fingerprint(1)


def test_a_store_that_cannot_be_written(paths, tmp_path):
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(BenchError, match="cannot write the image store"):
        ImageStore.open(catalogue(paths), 8, tmp_path / "store")


def test_no_pictures_at_all(tmp_path):
    with pytest.raises(BenchError, match="--modalities text"):
        ImageStore.open(Catalogue(["", "a"], ["", "a"], None), 8, tmp_path)


def test_two_openers_build_once(paths, tmp_path):
    source, seen = decoded_items(ImageFiles(paths))
    shop = Catalogue([""] * 6, None, source)
    stores = []
    threads = [
        threading.Thread(target=lambda: stores.append(ImageStore.open(shop, 8, tmp_path / "store"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 3
    assert sorted(seen) == [1, 2, 3, 4, 5]


def test_selected_images_renumber(paths):
    selected = SelectedImages(ImageFiles(paths), np.array([2, 1]))
    assert selected.fingerprint(1) == ImageFiles(paths).fingerprint(3)
    assert selected.fingerprint(0) == selected.fingerprint(2) == ""
    assert selected.load(0, 8) is None
    assert selected.load(2, 8) is None
    first = selected.load(1, 8)
    assert first is not None
    assert first.size == (8, 8)
