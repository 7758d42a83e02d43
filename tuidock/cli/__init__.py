"""The command line: argv to options, verbs to engine calls, values to text."""
