"""What a change means and how a question is answered."""
