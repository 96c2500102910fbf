"""qapla: a plugin-based Pyramid application framework for people who work with many databases."""
