"""Django's SQLite backend with one write lock for all our threads and processes."""
