"""The settings of a school and where its files lie."""
