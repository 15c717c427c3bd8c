"""Go's `text/template`, as far as a manifest may use it: lexer, parser, interpreter, functions."""
