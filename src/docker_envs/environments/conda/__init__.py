"""conda environments: declarations, solving, and packages as entries."""
