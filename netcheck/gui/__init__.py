"""The window: a thin face over the check, its report and the articles.

::

    app        the program, from its start to its end; alone: a second start raises the window
    keys       what the keyboard does on every page; scrolled: room where there is little
    window     the pages, and what leads from one to the next
    bridge     the check runs in a thread of its own; alone here do asyncio and Qt meet
    pages/     start, running, answer, details, comparison, articles, past checks
    models/    tables of a report, without any widget; tableview shows one
    features   what works and what does not, as a list; picture the way, article the remedy
    changes    before and after in words; trouble why there was no check; fault an error of ours
    export     saving, copying and dragging a report
    theme      colours and icons, light and dark; words what verdicts are called
    ring       around what the keyboard is at; message a sentence over the window

Nothing here measures or judges: a page shows a report and asks the bridge for another.
"""
