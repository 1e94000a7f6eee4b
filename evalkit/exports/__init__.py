"""The raw data of a run for others: tables in three formats, what every column means, and metadata for machines."""
