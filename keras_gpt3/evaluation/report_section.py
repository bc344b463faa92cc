"""A section of a report, in Markdown and in HTML."""

import dataclasses
import html
import json

from keras_gpt3.evaluation.html_page import html_image
from keras_gpt3.evaluation.html_page import html_page
from keras_gpt3.evaluation.html_page import html_table


@dataclasses.dataclass(frozen=True)
class ReportSection:
    """A heading, and what stands below it."""

    title: str
    paragraphs: tuple = ()
    columns: tuple = ()
    rows: tuple = ()
    plot: str | None = None


def write_sections(title, sections, folder, name, content=None):
    """Writes a report as Markdown and as an HTML file that needs no other."""
    text = f"# {title}\n\n" + "\n".join(map(_markdown, sections))
    (folder / f"{name}.md").write_text(text, "utf-8")
    body = "".join(_html(section, folder) for section in sections)
    page = html_page(title, body)
    (folder / f"{name}.html").write_text(page, "utf-8")
    if content is not None:
        text = json.dumps(content, indent=2) + "\n"
        (folder / f"{name}.json").write_text(text, "utf-8")


def _markdown(section):
    # Plain text, so that no word of a model begins a tag.
    paragraphs = (html.escape(p, quote=False) for p in section.paragraphs)
    parts = [f"## {section.title}\n", *(f"{p}\n" for p in paragraphs)]
    if section.columns:
        parts.append(markdown_table(section.columns, section.rows))
    if section.plot:
        parts.append(f"![{section.title}]({section.plot})\n")
    return "\n".join(parts)


def _html(section, folder):
    parts = [f"<h2>{html.escape(section.title)}</h2>\n"]
    parts += [f"<p>{html.escape(p)}</p>\n" for p in section.paragraphs]
    if section.columns:
        parts.append(html_table(section.columns, section.rows))
    if section.plot:
        parts.append(html_image(folder / section.plot, section.title))
    return "".join(parts)


def markdown_table(columns, rows):
    """Writes cells as a table in Markdown."""
    columns = tuple(columns)
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text):
    """The text in one line, without what ends a cell or begins a tag."""
    text = html.escape(" ".join(text.split()), quote=False)
    return text.replace("|", "\\|")
