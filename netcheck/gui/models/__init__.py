"""Tables of a report, without any widget: what a cell shows, sorts by and rests on."""
