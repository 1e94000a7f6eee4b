"""What a person writes: studies and catalogues, as frozen records that refuse what they do not know."""
