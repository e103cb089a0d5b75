"""What is seen from outside: domain events, and the media they are turned into."""
