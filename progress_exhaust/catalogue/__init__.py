"""Course trees: from the content service or a folder of its answers to the layout of a report's dynamic columns."""
