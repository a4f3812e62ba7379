"""Finding what is damaged in a school, and making it again."""
