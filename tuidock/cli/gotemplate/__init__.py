"""Go's text/template as far as Docker's --format uses it."""
