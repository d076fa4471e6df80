"""The report on paper, as PDF.  Needs Qt's drawing part, and neither its widgets nor a screen.

::

    content    what stands in it, no more than paper can hold
    document   the same as a long strip of text, laid out; measured: what is where on the strip
    pages      where to cut the strip: pure, and all that is known there are spans
    painted    the pages, one after another, into a PDF
"""
