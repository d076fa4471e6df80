"""Pictures of a report as SVG, the same for the window, HTML and PDF (pure).

``path``, ``dynamic``, ``media`` and ``timeline`` each have ``draw(report, look)``, which gives a
:class:`~netcheck.drawing.drawing.Drawing`, or None where there is nothing to draw.  The look is a
:class:`~netcheck.drawing.look.Look`, or colours alone for English.  ``place`` knows where on the
way a finding belongs.
"""
