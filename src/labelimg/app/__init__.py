"""The windows: Qt and nothing but Qt. What a gesture means, and what it does, is decided elsewhere."""
