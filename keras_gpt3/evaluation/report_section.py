"""A section of a report, in Markdown and in HTML."""

import dataclasses
import html
import json

from keras_gpt3.evaluation.html_page import html_image
from keras_gpt3.evaluation.html_page import html_page
from keras_gpt3.evaluation.html_page import html_table


@dataclasses.dataclass(frozen=True)
class ReportSection:
    """A heading, and what stands below it.

    Args:
        title: string. Plain text, as all.
        paragraphs: tuple of strings. Defaults to `()`.
        columns: tuple of strings. The head of a table. Defaults to `()`, no
            table.
        rows: tuple of tuples of strings. Its lines. Defaults to `()`.
        plot: string. The name of a PNG in the report's folder. Defaults to
            `None`.

    Example:

    ```python
    from keras_gpt3.evaluation.report_section import ReportSection

    ReportSection("Hills", columns=("Hill", "m"), rows=(("Caelian", "50"),))
    ```
    """

    title: str
    paragraphs: tuple = ()
    columns: tuple = ()
    rows: tuple = ()
    plot: str | None = None


def write_sections(title, sections, folder, name, content=None):
    """Writes a report as Markdown and as an HTML file that needs no other.

    Args:
        title: string.
        sections: list of `ReportSection`.
        folder: `pathlib.Path`. It holds the plots.
        name: string. Of the files, without `.md` and `.html`.
        content: what JSON can hold, for a file `.json` beside them. Defaults
            to `None`, no such file.

    Example:

    ```python
    import pathlib

    from keras_gpt3.evaluation.report_section import ReportSection
    from keras_gpt3.evaluation.report_section import write_sections

    sections = [ReportSection("Hills", ("There are seven.",))]
    write_sections("Rome", sections, pathlib.Path(), "rome")
    ```
    """
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
    """Writes cells as a table in Markdown.

    Args:
        columns: iterable of strings.
        rows: iterable of iterables of strings.

    Returns:
        A string that ends with a newline.

    Example:

    ```python
    from keras_gpt3.evaluation.report_section import markdown_table

    print(markdown_table(("K", "Value"), [("0", "42.7")]))
    ```
    """
    columns = tuple(columns)
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text):
    """The text in one line, without what ends a cell or begins a tag."""
    text = html.escape(" ".join(text.split()), quote=False)
    return text.replace("|", "\\|")
