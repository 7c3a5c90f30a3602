"""Labelimg: sort folders of mixed images into folders of similar ones."""
