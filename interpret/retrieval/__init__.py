"""Which training images are near."""
