"""What surrounds every page: sessions, navigation, assets, templates, errors."""
