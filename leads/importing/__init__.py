"""Reading other people's tables of leads: what kind of file it is, what its columns mean, and what each row says."""
