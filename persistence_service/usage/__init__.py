"""What was spent: UsageService, over the attempts of runs and the sums that purged ones left."""
