"""The dashboard: pages drawn on the server, whose state is in their URL.

`routes.py` lists the pages. `shell/page.py` defines what a page is, `shell/request.py` checks a
request and runs its page, and `shell/rendering.py` turns the answer into a reply.
"""
