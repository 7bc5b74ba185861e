"""What people read, for pages, command line and exports alike: words, charts, cards, reports."""
