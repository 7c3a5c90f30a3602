"""Clustering by what a deep model sees. What needs torch imports it when it is used."""
