"""Random values of the product's own types, for tests of laws that hold for all of them."""
