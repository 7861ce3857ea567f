"""What each release brings: notes of reno, and the changelog that is made from them."""
