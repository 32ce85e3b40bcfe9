"""What the views show and how it is set, without Qt."""
