"""Pages of one HTML file that needs nothing from elsewhere."""

import base64
import html

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
