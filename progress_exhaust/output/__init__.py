"""The files: CSV text, staging and publishing, the manifest."""
