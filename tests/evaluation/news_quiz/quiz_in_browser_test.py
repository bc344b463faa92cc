"""The page of a quiz in a real browser, from a file, by keyboard alone."""

import asyncio
import os
import re

import pytest

from keras_gpt3.evaluation.news_quiz.quiz_answers import read_participants
from keras_gpt3.evaluation.news_quiz.quiz_page import CHOICES
from keras_gpt3.evaluation.news_quiz.quiz_page import write_quiz
from tests.evaluation.some_quiz import some_key
from tests.serving import headless_browser

pytestmark = pytest.mark.slow

KEYS = {"Enter": ("Enter", 13, "\r"), " ": ("Space", 32, " ")}
KEYS |= {str(n): (f"Digit{n}", 48 + n, str(n)) for n in range(1, 6)}
VISIBLE = "[...document.forms].filter((f) => !f.hidden).map((f) => f.id)"


async def press(page, key):
    code, number, text = KEYS[key]
    for kind in ("keyDown", "keyUp"):
        fields = {"text": text} if kind == "keyDown" else {}
        await page.command(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=code,
            windowsVirtualKeyCode=number,
            **fields,
        )


def browse(visit, folder, place=""):
    """Runs what a participant does on the page of a quiz."""

    async def main():
        async with headless_browser.open_page(folder) as page:
            await page.command(
                "Browser.setDownloadBehavior",
                behavior="allow",
                downloadPath=str(folder / "downloads"),
            )
            await page.open((folder / "quiz.html").as_uri() + place)
            return await visit(page)

    return asyncio.run(main())


def text_of(name):
    return f"document.querySelector('#{name}').textContent"


async def answer_all(page, choices, seen=()):
    """Answers each article by its number key; gives the titles as shown."""
    await press(page, "Enter")
    titles = []
    for number, choice in enumerate(choices):
        await page.until(f"{text_of('progress')}.includes(' {number + 1} of')")
        if not number and "QUIZ_SCREENSHOT" in os.environ:
            await page.screenshot(os.environ["QUIZ_SCREENSHOT"])
        titles.append(await page.evaluate(text_of("title")))
        # Without a choice the form stays.
        await page.click("#question button")
        assert f" {number + 1} of" in await page.evaluate(text_of("progress"))
        await press(page, str(choice))
        if number in seen:
            await page.click("#seen")
        await press(page, "Enter")
    await page.until(f"{VISIBLE}[0] === 'end'")
    return titles


async def save(page, folder):
    await page.click("#looked-up-yes")
    await page.write("#check-answer", "Five")
    await page.write("#comment", "Ünlike “news”.")
    await page.click("#end button")
    await page.until(f"{VISIBLE}[0] === 'saved'")
    name = await page.evaluate(text_of("file"))
    async with asyncio.timeout(30):
        while not (folder / "downloads" / name).exists():
            await asyncio.sleep(0.05)
    return folder / "downloads" / name


def test_a_participant_answers_by_keyboard_and_saves_a_file(tmp_path):
    key = some_key()
    write_quiz(tmp_path, key, ("Welcome.",))
    choices = (1, 2, 3, 4, 5, 1)

    async def visit(page):
        count = await page.evaluate(text_of("count"))
        titles = await answer_all(page, choices, seen=[2])
        return count, titles, await save(page, tmp_path)

    count, titles, file = browse(visit, tmp_path, "#3")
    assert re.fullmatch(r"answers-[0-9a-f]{16}\.json", file.name)
    (found,) = read_participants([file], key)
    assert count == "6"
    assert (found.quiz, found.check, found.looked_up) == (3, "Five", True)
    assert found.comment == "Ünlike “news”."
    items = {item.id: item for item in key.items}
    shown = [items[answer.item].title for answer in found.answers]
    assert shown == titles
    assert [a.choice for a in found.answers] == [
        CHOICES[n - 1] for n in choices
    ]
    assert [a.seen for a in found.answers] == [n == 2 for n in range(6)]
    assert all(0 <= a.seconds < 60 for a in found.answers)


def test_the_order_and_the_quiz_are_drawn_for_each_participant(tmp_path):
    write_quiz(tmp_path, some_key())

    async def visit(page):
        drawn = []
        for _ in range(12):
            await page.open("about:blank")
            await page.open((tmp_path / "quiz.html").as_uri())
            drawn.append(await page.evaluate("[quiz, String(order)]"))
        return drawn

    drawn = browse(visit, tmp_path)
    # Chance alone gives one of four quizzes twelve times in 2e-7 of runs.
    assert len({quiz for quiz, _ in drawn}) > 1
    assert len({order for _, order in drawn}) > 2


def test_each_field_has_a_label_and_nothing_is_fetched(tmp_path):
    write_quiz(tmp_path, some_key())

    async def visit(page):
        return await page.evaluate(
            "[[...document.querySelectorAll('input, textarea')]"
            ".filter((field) => field.labels.length !== 1).length,"
            "performance.getEntriesByType('resource').length,"
            "document.querySelectorAll('input[type=radio]').length]"
        )

    assert browse(visit, tmp_path) == [0, 0, 7]
