"""The table of contents: what evalkit does, a readable function each. Stages talk to each other through files only."""
