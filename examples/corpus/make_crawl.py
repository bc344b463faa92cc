"""Writes the pages beside this file: a crawl as Common Crawl's files have it.

    python examples/corpus/make_crawl.py

Takes a second, and gives the same bytes each time. To be run from the root of
the repository. The pages are made, since real ones may not be passed on: a
text of the repository with navigation around it, or what a crawl is full of
(shops, lists of links, forms), and what the stages are there to find, so that
the right outcome is known. `data/LICENCES.md` says whose the texts are.
"""

import gzip
import html
import json
import pathlib
import random

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "examples" / "data"
EXCERPTS = ROOT / "tests" / "fixtures" / "corpus"
OUT = pathlib.Path(__file__).with_name("data")

CHARACTERS = 1500  # Of an article.
NUM_SPEECHES, NUM_JUNK = 60, 80  # Pages of either.
NUM_RAW = 50  # Junk pages that the classifier learns from.
NUM_COPIES, NUM_EDITED, NUM_ENCYCLOPEDIA = 10, 15, 10
EDITED_SHARE = 0.03  # Of the words.
NUM_PASSAGES, PASSAGE_WORDS = 20, 40

FOREIGN = (
    "Der Fluss entspringt im Norden des Landes und fliesst durch drei Seen, "
    "bevor er die Hauptstadt erreicht. Seit dem Mittelalter treiben seine "
    "Wasser Mühlen an, und noch heute fahren auf ihm kleine Schiffe.",
    "La rivière prend sa source dans le nord du pays et traverse trois lacs "
    "avant d'atteindre la capitale. Depuis le Moyen Âge ses eaux font tourner "
    "des moulins, et de petits bateaux y naviguent encore aujourd'hui.",
)
MENU = "Home|Products|About us|Contact|Blog|Careers|Sign in|Cart (0)".split("|")
GOODS = "shoes|phone case|sofa|drill|headphones|perfume|watch|jacket|lamp|tent"
PRAISE = "cheap|best price|50% off|free shipping|new arrival|top rated|sale"
SHOUTS = (
    "Add to cart|Buy now|Click here to subscribe|Log in to see prices|"
    "Accept all cookies|Forgot your password?|Read more|Share on social media|"
    "Next page|Sort by: newest|Compare|Leave a reply|Posted by admin|"
    "You must be logged in to post a comment|Page 1 of 48|Back to top"
)
PAGE = """<html><head><title>{title}</title></head><body>
<nav><ul>{menu}</ul></nav>
<article><h1>{title}</h1>{body}</article>
<footer><p>Copyright. All rights reserved. Privacy policy. Terms of use.</p>
</footer></body></html>"""


def main():
    rng = random.Random(0)
    passages = list(evaluation_passages())
    lines = "".join(json.dumps({"text": text}) + "\n" for text in passages)
    (OUT / "evaluation.jsonl").write_text(lines, "utf-8")
    write_warc("raw.warc.gz", [junk(rng) for _ in range(NUM_RAW)])
    pages = crawl(rng, passages)
    rng.shuffle(pages)
    write_warc("crawl.warc.gz", pages)


def crawl(rng, passages):
    """The pages of the crawl, each a list of its paragraphs."""
    manuals = [row["text"][:CHARACTERS] for row in excerpts("manuals")]
    articles = [*speeches(), *manuals]
    encyclopedia = rows(SAMPLES / "encyclopedia.jsonl.gz")[:NUM_ENCYCLOPEDIA]
    pages = [*articles, *rng.sample(articles, NUM_COPIES)]
    pages += [edited(rng, text) for text in rng.sample(articles, NUM_EDITED)]
    pages += [row["text"] for row in encyclopedia]
    pages += FOREIGN * 5
    pages = [text.split("\n") for text in pages]
    # One page quotes what a model is to be asked about.
    before, after = articles[0].split("\n"), articles[1].split("\n")
    pages.append([*before, passages[0], *after])
    return pages + [junk(rng) for _ in range(NUM_JUNK)]


def evaluation_passages():
    """Runs of words of novels, as LAMBADA's are."""
    for row in excerpts("novels")[:NUM_PASSAGES]:
        words = row["text"].split()
        yield " ".join(words[100 : 100 + PASSAGE_WORDS])


def speeches():
    """A piece of the middle of some speeches, in paragraphs."""
    found = rows(SAMPLES / "speeches.jsonl.gz")
    for row in found[:: len(found) // NUM_SPEECHES][:NUM_SPEECHES]:
        middle = len(row["text"]) // 2
        piece = row["text"][middle : middle + CHARACTERS]
        # No half word at either end.
        yield piece.split(maxsplit=1)[1].rsplit(maxsplit=1)[0]


def junk(rng):
    """The paragraphs of a page that says nothing."""
    shouts, goods, praise = (x.split("|") for x in (SHOUTS, GOODS, PRAISE))
    lines = []
    for _ in range(rng.randint(10, 20)):
        offer = f"{rng.choice(goods)} {rng.choice(praise)} {rng.choice(praise)}"
        price = f"{rng.randint(5, 400)}.99 - {rng.choice(shouts)}"
        lines.append(f"{offer} {price} - {rng.choice(MENU)}")
    return lines


def edited(rng, text):
    """A text with other words of its own for some."""
    words = text.split(" ")
    return " ".join(
        rng.choice(words) if rng.random() < EDITED_SHARE else word
        for word in words
    )


def write_warc(name, pages):
    """Writes pages as responses, and the last of them half."""
    data = b"".join(
        # As Common Crawl does: each by itself. No time of writing, so that
        # the bytes are the same each time.
        gzip.compress(record(number, paragraphs), mtime=0)
        for number, paragraphs in enumerate(pages)
    )
    # As after a download that broke off.
    (OUT / name).write_bytes(data[:-200])


def record(number, paragraphs):
    """A page in WARC, the format of web archives."""
    body = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
    menu = "".join(f"<li><a href='/{x}'>{x}</a></li>" for x in MENU)
    page = PAGE.format(title=f"Page {number}", menu=menu, body=body)
    response = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        + page
    ).encode()
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Target-URI: https://site-{number}.example/page\r\n"
        f"WARC-Record-ID: <urn:example:{number}>\r\n"
        "WARC-Date: 2026-01-01T00:00:00Z\r\n"
        "Content-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(response)}\r\n\r\n"
    )
    return head.encode() + response + b"\r\n\r\n"


def excerpts(name):
    return rows(EXCERPTS / f"{name}.jsonl.gz")


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
