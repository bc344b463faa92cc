"""Makes links between notebooks and pages those of the site.

mkdocs rewrites `../guides/train.md` in Markdown pages only.
"""

import posixpath
import re


def on_page_content(html, page, files, **kwargs):
    """Rewrites a notebook's links, and names those that lead nowhere."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html

    def rewritten(match):
        folder = posixpath.dirname(page.file.src_uri)
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        target = files.get_file_from_path(path)
        if target is None:
            raise FileNotFoundError(f"{page.file.src_uri}: no {path}")
        return f'href="{target.url_relative_to(page.file)}{match[2]}"'

    link = r'href="(?!https?:)([^"#]+\.(?:md|ipynb))((?:#[^"]*)?)"'
    return re.sub(link, rewritten, html)
