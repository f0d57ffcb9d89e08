"""Where it is put together: settings, URLs, the API root, pages that span modules."""
