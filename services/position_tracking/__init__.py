"""Position tracking: folds FILLS into positions and profit, and compares them with the venue's."""
