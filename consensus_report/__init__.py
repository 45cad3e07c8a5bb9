"""What people are told of a run, wherever they look: in words, and as fragments of HTML (`html/`). Pure.

The command and the page of the door both stand on it, so that a run reads the same in a terminal, in a file
and in a browser. Texts of callers and models pass `text.py` before anybody sees them.
"""
