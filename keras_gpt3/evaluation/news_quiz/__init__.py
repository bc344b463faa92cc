"""Section 3.9.4: can people tell a model's news articles from real ones?

Read `articles`, then `written_articles` (a model's), `quiz_key` (which article
is in which quiz, and who wrote it), `quiz_page` (what participants get) and
`quiz_making`, which joins them; then `quiz_answers`, `detection` (the numbers)
and `detection_report`.
"""
