"""Reading: a regular file of a stated size, or one line that names the file; never a wait, a flood or a traceback."""

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from bounds import bounded, examples
from hypothesis import given, settings
from hypothesis import strategies as st

from tpmebench.arrays import map_array, read_array
from tpmebench.errors import BenchError
from tpmebench.files import digest, file_digest, parse_json, parse_toml, read_bytes, read_json, read_text, read_toml

READERS = (lambda path: read_text(path, 100), read_toml, read_json, file_digest, read_array, map_array)


def strange(kind: str, folder: Path) -> Path:
    """Something under a file's name that is no file which can be read."""
    path = folder / "thing"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to(folder / "gone")
    elif kind == "long":
        return folder / ("n" * 300)
    elif kind == "below a file":
        path.touch()
        return path / "thing"
    return path


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop", "dangling", "long", "absent", "below a file"])
@pytest.mark.parametrize("read", READERS)
def test_what_is_no_file_is_named_at_once(tmp_path: Path, kind: str, read):
    path = strange(kind, tmp_path)
    with pytest.raises(BenchError, match=re.escape(str(path))):
        read(path)


def test_a_name_that_no_file_can_have():
    with pytest.raises(BenchError, match="no file can have such a name"):
        read_bytes(Path("a\0b"), 10)


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2048)
    assert len(read_bytes(path, 2048)) == 2048
    with pytest.raises(BenchError, match="file: more than the 1 kB"):
        read_bytes(path, 1024)


def test_a_file_that_states_no_size_is_bounded():
    with pytest.raises(BenchError, match="more than"):
        read_bytes(Path("/proc/self/smaps"), 1024)


def test_text_that_is_not_utf8_names_the_line(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo \xe9\n")
    with pytest.raises(BenchError, match=r"file, line 2: not UTF-8 \(byte 8\)"):
        read_text(path, 100)


HOSTILE = {
    "brackets": "[" * 50_000,
    "digits": "9" * 5000,
    "deep": "[" * 70 + "]" * 70,
    "unfinished": '{"a": ',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_values_are_one_line_that_begins_with_their_origin(text: str):
    with pytest.raises(BenchError, match=r"^HERE: [^\n]{1,300}$"):
        parse_json(text, "HERE")
    with pytest.raises(BenchError, match=r"^HERE: [^\n]{1,300}$"):
        parse_toml(f"x = {text}", "HERE")


@pytest.mark.parametrize(
    "text", ["a." * 50_000 + "a = 1", "[" + "a . " * 50_000 + "a]", "x = {" + "'a'." * 50_000 + "a=1}"]
)
def test_a_key_of_very_many_parts_takes_no_time(text: str):
    start = time.process_time()
    with pytest.raises(BenchError, match="more than 200 parts"):
        parse_toml(text, "HERE")
    assert time.process_time() - start < 1


def test_dots_in_texts_and_comments_are_no_key():
    text = f"# {'.' * 300}\ntitle = '{'a sentence. ' * 150}'\n"
    assert parse_toml(text, "HERE")["title"].startswith("a sentence.")


@given(st.text(max_size=60))
def test_any_text_is_values_or_an_error(text: str):
    for parse, plain in ((parse_json, json.loads), (parse_toml, None)):
        with bounded("HERE: "):
            value = parse(text, "HERE")
            assert plain is None or value == plain(text) or value != value


def npy(folder: Path, content: bytes) -> Path:
    path = folder / "array.npy"
    path.write_bytes(content)
    return path


def whole(folder: Path, array: np.ndarray) -> bytes:
    np.save(folder / "whole.npy", array)
    return (folder / "whole.npy").read_bytes()


@given(*[st.lists(st.text(st.sampled_from("ab\0"), max_size=3), max_size=3)] * 2)
def test_lists_of_parts_have_one_digest_when_they_are_equal_only(parts: list[str], others: list[str]):
    assert (digest(*parts) == digest(*others)) == (parts == others)


def test_parts_do_not_run_into_each_other():
    assert len({digest(*parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"])}) == 5


def test_an_array_is_read_as_it_was_written(tmp_path: Path):
    written = np.arange(12.0).reshape(3, 4)
    path = npy(tmp_path, whole(tmp_path, written))
    assert np.array_equal(read_array(path), written) and np.array_equal(map_array(path), written)
    with pytest.raises(BenchError, match="more than"):
        read_array(path, 48)


def test_arrays_that_are_not_whole_are_refused_by_name(tmp_path: Path):
    good = whole(tmp_path, np.arange(12.0))
    huge = good.replace(b"(12,), }        ", b"(1000000000000,), }")
    np.savez(tmp_path / "zip.npz", a=np.arange(3))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    cases = [b"", good[:-1], good + b"x", good[:5], huge, b"\x93NUMPY\x09\x00" + good[8:], good.replace(b"<f8", b"<q9")]
    cases += [(tmp_path / name).read_bytes() for name in ("zip.npz", "objects.npy")]
    assert huge != good
    for content in cases:
        with pytest.raises(BenchError, match=r"array\.npy: not a whole \.npy array"):
            map_array(npy(tmp_path, content))


@settings(max_examples=examples(200))
@given(st.data())
def test_a_changed_array_file_is_an_array_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("npy", numbered=True)
    content = bytearray(whole(folder, np.arange(6, dtype=np.uint8)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with bounded("array.npy"):  # asserts that an error names the file
        map_array(npy(folder, bytes(content)))


def test_half_a_surrogate_pair_is_refused_where_it_is_read_and_not_where_it_is_written() -> None:
    assert parse_json(r'{"study": "\ud83d\ude00"}', "a file") == {"study": "\U0001f600"}
    with pytest.raises(BenchError, match="a file: not valid JSON"):
        parse_json(r'{"study": "a\udcff"}', "a file")
