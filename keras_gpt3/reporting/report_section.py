"""A section of a report, in Markdown and in HTML."""

import base64
import dataclasses
import html
import json


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


_STYLE = """
body { font-family: sans-serif; margin: 2em auto; max-width: 75em;
  padding: 0 1em; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #ccc; padding: 0.3em 0.7em;
  text-align: left; }
img { max-width: 100%; }
"""


def html_page(title, body):
    """Makes a page that needs nothing from elsewhere."""
    title = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{body}</body>\n</html>\n"
    )


def html_table(columns, rows):
    """Writes cells as an HTML table."""

    def line(tag, cells):
        inner = "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells)
        return f"<tr>{inner}</tr>\n"

    body = "".join(line("td", row) for row in rows)
    return f"<table>\n{line('th', columns)}{body}</table>\n"


def html_image(path, text):
    """Puts a PNG into a page."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    text = html.escape(text)
    return f'<img alt="{text}" src="data:image/png;base64,{data}">\n'
