"""Words, charts, cards and reports for pages, the command line and exports."""
