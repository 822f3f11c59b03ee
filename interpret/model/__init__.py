"""How a picture is turned into distances."""
