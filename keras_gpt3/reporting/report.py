"""Reports: Markdown, one HTML file that needs no other, and JSON beside."""

import base64
import dataclasses
import functools
import html
import json
import math

from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.reporting.figures import save_figure


@dataclasses.dataclass(frozen=True)
class ReportSection:
    """A heading, and what stands below it."""

    title: str
    paragraphs: tuple = ()
    columns: tuple = ()
    rows: tuple = ()
    # A matplotlib figure, and the file name that it gets in the folder.
    figure: object = None
    picture: str | None = None


def write_report(
    folder, name, title, sections, content=None, pictures=(), json_name=None
):
    """Write a report into a folder, whole or not at all.

    Files of an earlier report are replaced, and so are its `pictures`, names
    or patterns of all that a report of this kind may have; other files stay.
    """
    sections = list(sections)
    json_name = json_name or f"{name}.json"
    owned = (f"{name}.md", f"{name}.html", json_name, *pictures)
    with atomic_folder(folder, lambda path: True, owned) as new:
        for section in sections:
            if section.figure is not None:
                save_figure(section.figure, new / section.picture)
        for suffix in ("md", "html"):
            template = _templates().get_template(f"report.{suffix}.jinja")
            text = template.render(title=title, sections=sections, folder=new)
            (new / f"{name}.{suffix}").write_text(text, "utf-8")
        if content is not None:
            (new / json_name).write_text(json_text(content), "utf-8")


def json_text(content):
    """JSON of a content; what is not finite has no word there: it is null."""
    return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return value if is_finite else None


def markdown_table(columns, rows):
    """Write cells as a table in Markdown."""
    columns = tuple(columns)
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text):
    """The text in one line, without what ends a cell or begins a tag."""
    return _plain(" ".join(text.split())).replace("|", "\\|")


def _plain(text):
    """Text in which no word of a model begins a tag."""
    return html.escape(text, quote=False)


def _image(path):
    """A picture as the address that embeds it."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:image/png;base64,{data}"


@functools.cache
def _templates():
    with needed_packages("Reports must be written with Jinja2", "evaluate"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_gpt3", "reporting"),
        autoescape=jinja2.select_autoescape(("html.jinja",)),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(plain=_plain, image=_image)
    environment.globals["markdown_table"] = markdown_table
    return environment
