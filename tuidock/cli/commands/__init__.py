"""The verbs: each module holds the table rows and the coroutines of one family."""
