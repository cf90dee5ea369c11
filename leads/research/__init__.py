"""Reading public web pages about a lead: fetching, extraction, and statements with the words they rest on."""
