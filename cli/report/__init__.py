"""`nmc report`: what is known of a program as one page that needs nothing else (docs/report.md)."""
