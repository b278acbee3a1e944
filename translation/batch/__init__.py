"""Files of texts: jobs that survive a kill, and the formats that they write."""
