"""Pictures of a report as SVG, the same for the window, HTML and PDF (pure).

``path``, ``dynamic``, ``media`` and ``timeline`` each have ``draw(report, colours)``, which gives a
:class:`~netcheck.drawing.drawing.Drawing`, or None where there is nothing to draw.
"""
