"""Cleaned texts, and those made of several fields."""

import unicodedata
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.datasets.sources.texts import Template, clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mother&#39;s Day", "Mother's Day"),
        ("Salt &amp;amp; Pepper", "Salt & Pepper"),
        ("&amp;lt;b&amp;gt;Bold&amp;lt;/b&amp;gt;", "Bold"),
        ("5 &gt;&gt;&gt; 3 &lt; 4", "5 >>> 3 < 4"),
        ("<p>One</p><p>Two<br/>three</p>", "One Two three"),
        ('H<sub>2</sub>O <a href="x?a=1&amp;b=2">here</a>', "H2O here"),
        ("<Limited Edition> 3 <4> <ab>", "<Limited Edition> 3 <4> <ab>"),
        ("<<b>b>x<<br>b>", "x< b>"),
        ("a<!-- note -->b", "ab"),
        ("AT&T R&D; x&y", "AT&T R&D; x&y"),
        ("a\u00a0\t\r\n b\u2028c\x85", "a b c"),
        ("\ufeffze\u200bro\x00 wi\u00addth\u202e", "zero width"),
        ("cafe\u0301 &eacute;", "café é"),
        ("क्\u200dष 👩\u200d🚀", "क्\u200dष 👩\u200d🚀"),
        ("&am&#8203;p;lt;i&semi;", "<i;"),
        ("&#0;&#xD800;&#99999999;", "\ufffd\ufffd&#99999999;"),
        ("\ud800x", "x"),
        ("", ""),
        (" \u200b ", ""),
    ],
)
def test_what_a_reader_sees(text: str, expected: str):
    assert clean(text) == expected


_PIECES = "& amp; lt; gt; #38; #8203; semi; ; < > b / br <!-- --> \u0338 \u037e e \u0301 \u200b &nbsp; &#x3c; &num;"
pieces = st.sampled_from([*_PIECES.split(), " ", "\n"])


@given(st.text() | st.lists(pieces, max_size=30).map("".join))
def test_cleaning_twice_is_cleaning_once(text: str):
    once = clean(text)
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)


words = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="&<>"), min_size=1)


@given(st.lists(words).map(" ".join).map(lambda text: unicodedata.normalize("NFC", text)))
def test_plain_text_is_what_it_was(text: str):
    assert clean(text) == text


@pytest.mark.parametrize("piece", ["&amp;", "<", ">", ";", "&", "&am", "<b", "&lt;b&gt;", "&l", "&#38;#38;", "a "])
def test_the_time_grows_with_the_text_alone(piece: str):
    start = process_time()
    clean(piece * (300_000 // len(piece)) + ";>" * 1000)
    assert process_time() - start < 3


@pytest.mark.parametrize(
    ("written", "fields", "expected"),
    [
        ("title", ("title",), ["One", "Two", ""]),
        (["title", "plot"], ("title", "plot"), ["One A plot", "Two", ""]),
        ("{title}. {plot}", ("title", "plot"), ["One. A plot", "Two.", ""]),
        ("Film: {plot} ({title})", ("plot", "title"), ["Film: A plot (One)", "Film:  (Two)", ""]),
    ],
)
def test_texts_are_made_of_fields(written: str | list[str], fields: tuple[str, ...], expected: list[str]):
    template = Template.of(written)
    assert template.fields == fields
    assert template.texts({"title": ["One", " Two", ""], "plot": [" A plot ", "", " "]}) == expected
