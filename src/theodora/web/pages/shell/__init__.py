"""The frame of every page: sessions, navigation, assets, templates, errors."""
