"""Elements of HTML: what stands in them is text, unless it was made here."""

from consensus_report.html.markup import Markup, element, render


def test_text_in_an_element_is_escaped_and_markup_is_not() -> None:
    made = element("p", "<b>&\"'", element("i", "x"), None, title='"><script>')
    assert render(made) == ('<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;&quot;&#x27;<i>x</i></p>')
    assert isinstance(made, Markup)
