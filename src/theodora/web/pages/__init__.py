"""The dashboard: pages drawn on the server, whose state is in their URL.

`table.py` lists the pages; `frame.py` says what a page is; `scope.py` reads the parameters
that pages share; `serving.py` takes a request to its page and back.
"""
