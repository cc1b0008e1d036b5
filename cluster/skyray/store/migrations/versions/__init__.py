"""One module and one SQL file for each revision. They only go forward, and are never changed once released."""
