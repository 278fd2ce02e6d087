"""`capstone serve`: the model of a run behind an API and a page, without torch, scikit-learn or pandas."""
