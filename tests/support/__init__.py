"""What the tests share: temporary roots, file trees, and the search for what a test left behind."""
