"""The page: rendered here, from templates that escape all; no asset from elsewhere, no build.

`static/htmx.min.js` and `static/hx-sse.min.js` are those of htmx 4.0.1, under 0BSD, as its package has them.
"""
